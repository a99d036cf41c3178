// The console's addresses, in one place. Promises that a name of any kind (slashes, per cent signs, spaces) survives the way there and back.

/** What stands before all of them. */
export const BASE = "/ui";

const part = (name: string | number) => encodeURIComponent(String(name));

/** Each page's address. */
export const ui = {
  overview: () => `${BASE}/`,
  connectors: () => `${BASE}/connectors`,
  newConnector: () => `${BASE}/connectors/new`,
  connector: (name: string, tab?: string) => `${BASE}/connectors/${part(name)}${tab ? `?tab=${part(tab)}` : ""}`,
  topics: () => `${BASE}/topics`,
  topic: (name: string, tab?: string) => `${BASE}/topics/${part(name)}${tab ? `?tab=${part(tab)}` : ""}`,
  record: (topic: string, partition: number, offset: number) => `${BASE}/topics/${part(topic)}/${partition}/${offset}`,
  groups: () => `${BASE}/groups`,
  group: (name: string) => `${BASE}/groups/${part(name)}`,
  subscriptions: () => `${BASE}/subscriptions`,
  subscription: (name: string) => `${BASE}/subscriptions/${part(name)}`,
  slots: () => `${BASE}/slots`,
  settings: () => `${BASE}/settings`,
  api: () => `${BASE}/api`,
  login: () => `${BASE}/login`,
};

/** The parts of navigation, in the order of the header; `key` follows `g`. */
export const SECTIONS: readonly { title: string; href: string; key: string }[] = [
  { title: "Overview", href: ui.overview(), key: "o" },
  { title: "Connectors", href: ui.connectors(), key: "c" },
  { title: "Topics", href: ui.topics(), key: "t" },
  { title: "Groups", href: ui.groups(), key: "g" },
  { title: "Subscriptions", href: ui.subscriptions(), key: "s" },
  { title: "Slots", href: ui.slots(), key: "l" },
  { title: "Settings", href: ui.settings(), key: "e" },
  { title: "API", href: ui.api(), key: "a" },
];

/** The parameters of an address that a pattern fits ("/ui/topics/:topic"); null where it does not. */
export function fits(pattern: string, path: string): Record<string, string> | null {
  const [wanted, parts] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== parts.length) return null;
  const found: Record<string, string> = {};
  for (const [i, want] of wanted.entries()) {
    const part = parts[i]!;
    if (!want.startsWith(":")) {
      if (want !== part) return null;
      continue;
    }
    try {
      found[want.slice(1)] = decodeURIComponent(part);
    } catch {
      return null;
    }
    if (part === "") return null;
  }
  return found;
}
