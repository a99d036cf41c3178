// What a token may do: the scopes there are, in words.

export const SCOPES: readonly (readonly [scope: string, may: string])[] = [
  ["admin", "everything"],
  ["read:topics", "read all topics"],
  ["read:connectors", "see connectors"],
  ["write:connectors", "make, change and delete connectors"],
  ["read:subscriptions", "see subscriptions"],
  ["write:subscriptions", "pause and resume subscriptions"],
  ["write:schemas", "register schemas"],
  ["read:metrics", "read metrics"],
];

/** What was chosen, and a pattern of topics where one was named. `admin` covers the rest. */
export function scopesOf(chosen: ReadonlySet<string>, pattern: string): string[] {
  if (chosen.has("admin")) return ["admin"];
  const known = SCOPES.map(([scope]) => scope).filter((scope) => chosen.has(scope));
  const named = pattern.trim();
  return named && !chosen.has("read:topics") ? [...known, `read:topics:${named}`] : known;
}
