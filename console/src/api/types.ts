// The API's shapes by short names, out of what is generated from docs/openapi.json: a field that the API loses fails the build here.

import type { components, paths } from "./types.gen";

type Schemas = components["schemas"];

export type Connector = Schemas["ConnectorOverview"];
export type Problem = Schemas["ProblemInfo"];
export type Topic = Schemas["Topic"];
export type Group = Schemas["Group"];
export type Subscription = Schemas["Subscription"];
export type Slot = Schemas["Slot"];
export type Finding = Schemas["Finding"];
export type Token = Schemas["Token"];

/** What a GET of a path answers with. */
export type Answer<Path extends keyof paths> = paths[Path] extends { get: { responses: { 200: { content: { "application/json": infer Body } } } } }
  ? Body
  : never;

export type Status = Answer<"/v1/status">;
export type Series = Answer<"/v1/series">;
export type Timeline = Answer<"/v1/connectors/{name}/timeline">;

export type Relation = Answer<"/v1/sources/{connector}/tables">["items"][number];

/** A list of the API. */
export interface Items<T> {
  items: T[];
  next_cursor?: string | null;
}
