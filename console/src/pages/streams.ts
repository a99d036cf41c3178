// Pages of what comes out: topics, records, groups, subscriptions. They are loaded together, when one of them is gone to.

export { default as Group } from "./group/page";
export { default as Groups } from "./groups/page";
export { default as Record } from "./record/page";
export { default as Subscription } from "./subscription/page";
export { default as Subscriptions } from "./subscriptions/page";
export { default as Topic } from "./topic/page";
export { default as Topics } from "./topics/page";
