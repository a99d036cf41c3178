// What /v1/config says.

import type { components } from "../../api/types.gen";

type Schemas = components["schemas"];

export type Reloaded = Schemas["Reloaded"];

export interface Setting {
  name: string;
  value: string;
  source: string;
  /** "rowfeed.toml:9:1", "default", a variable's or a flag's name. */
  from: string;
  doc: string | null;
}

export interface InForce {
  file: string | null;
  items: Setting[];
  warnings: string[];
  read: { at: string | null; successful: boolean; problems: Schemas["Mistake"][]; needs_restart: string[] };
  connectors: {
    folder: string;
    watched: boolean;
    read_at: string | null;
    read: Reloaded | null;
    files: { connector: string; file: string; problem: Schemas["ProblemInfo"] | null }[];
  };
}
