// What groups are: whose, and in which state, in words.

/** Places of subscriptions are groups of this name. */
const SUBSCRIPTION = "rowfeed.sub.";

/** The subscription whose place a group is; null for a group of Kafka clients. */
export const subscriptionOf = (group: string): string | null => (group.startsWith(SUBSCRIPTION) ? group.slice(SUBSCRIPTION.length) : null);

const WORDS: Record<string, string> = {
  Stable: "stable",
  Empty: "empty",
  PreparingRebalance: "rebalancing",
  CompletingRebalance: "rebalancing",
};

/** Kafka's state in a word that is read. */
export const stateWord = (state: string): string => WORDS[state] ?? state;
