// The options that the form offers, by type. Those it does not offer stay as they are when a subscription is changed; all of them are in
// docs/reference/subscriptions.md.

export type Kind = "webhook" | "redis" | "elasticsearch";

export interface Option {
  name: string;
  /** "text" unless said. "list": several, by commas or lines. */
  is?: "list" | "flag" | readonly string[];
  help: string;
  /** The service's own default: shown, never written. */
  usual?: string;
  example?: string;
  must?: boolean;
  /** Whether it may hold a secret: masked wherever it is shown. */
  secret?: boolean;
  /** Among the options that are closed at first. */
  more?: boolean;
}

export const KINDS: readonly (readonly [Kind, string, string])[] = [
  ["webhook", "Webhook", "Signed HTTP requests, one for each change, tried again for three days."],
  ["redis", "Redis or Valkey", "Takes keys out of a cache when their rows change, or fills it, or feeds streams and channels."],
  ["elasticsearch", "Search index", "Keeps an index of Elasticsearch or OpenSearch equal to tables."],
];

const ALL: readonly Option[] = [
  { name: "topics", is: "list", must: true, help: "Topics, or patterns with *.", example: "shop.public.orders" },
  { name: "where", help: "Which changes are delivered.", example: "changed(status)" },
  { name: "from", help: "Where a new one begins.", usual: "latest", example: "earliest, now-1h", more: true },
];

const VIEWS = ["envelope", "flat", "diff", "cloudevents", "raw"] as const;

const OF: Record<Kind, readonly Option[]> = {
  webhook: [
    { name: "url", must: true, help: "Where to. Private addresses must be allowed by http.webhook_allow.", example: "https://app.example.com/hooks/orders", secret: true },
    { name: "secret", must: true, secret: true, help: "Who signs: a reference to whsec_ and base64 of 24 to 64 random bytes.", example: "${env:ORDERS_WHSEC}" },
    { name: "view", is: VIEWS, usual: "envelope", help: "What stands in data." },
    { name: "columns", is: "list", help: "Columns that are sent; empty: all.", more: true },
    { name: "ordering", is: ["key", "topic"], usual: "key", help: "What one failing record holds up.", more: true },
    { name: "concurrency", usual: "8", help: "Requests at a time.", more: true },
    { name: "timeout", usual: "15s", help: "How long one try may take.", more: true },
    { name: "retries", usual: "5s,5m,30m,2h,5h,10h,14h,20h,24h", help: "Pauses between tries; then it is a dead letter.", more: true },
  ],
  redis: [
    { name: "url", must: true, secret: true, help: "A password belongs into a reference.", example: "redis://cache:6379/0" },
    { name: "action", is: ["del", "unlink", "set", "publish", "xadd"], usual: "del", help: "del, unlink: take keys away. set: keep them equal to the row. publish, xadd: tell the row." },
    { name: "keys", is: "list", help: "Templates over the row's columns.", example: "product:{id}" },
    { name: "on", is: "list", help: "Only updates that change one of these columns count.", more: true },
    { name: "tags", is: "list", help: "Generations that a change counts up.", example: "org:{org_id}", more: true },
    { name: "namespace", help: "Keys stand behind it and a generation, which any doubt counts up.", more: true },
    { name: "fence", is: "flag", usual: "true", help: "Take keys away once more when the change is visible to everybody.", more: true },
    { name: "ttl", usual: "0s", help: "Time to live of values that are set; 0s: for ever.", more: true },
    { name: "view", is: VIEWS, usual: "flat", help: "How a row is written.", more: true },
  ],
  elasticsearch: [
    { name: "url", must: true, secret: true, help: "http:// or https:// address.", example: "https://search:9200" },
    { name: "index", usual: "{table}", help: "The index of a table's rows, of {table}, {schema}, {topic}." },
    { name: "user", help: "Basic authentication." },
    { name: "password", secret: true, help: "As a reference.", example: "${env:SEARCH_PASSWORD}" },
    { name: "api_key", secret: true, help: "Instead of user and password, as a reference.", example: "${env:SEARCH_KEY}", more: true },
    { name: "mark", usual: "rowfeed", help: "Member of each document with its topic and LSN.", more: true },
    { name: "timeout", usual: "60s", help: "A request has so long.", more: true },
  ],
};

export const optionsOf = (kind: Kind): readonly Option[] => [...ALL.slice(0, 1), ...OF[kind], ...ALL.slice(1)];

export const isKind = (text: string): text is Kind => KINDS.some(([kind]) => kind === text);

/** What may hold secrets, the form's options and others. `url` is masked apart: its host is told. */
export const SECRETS = ["secret", "password", "api_key", "headers"] as const;
