// The pages that nobody sees first. They are one file, loaded when one of them is gone to. Their order here is their order in it: like
// beside like compresses better, by a hundredth.

export { default as Topics } from "./topics/page";
export { default as Settings } from "./settings/page";
export { default as Api } from "./api/page";
export { default as Subscriptions } from "./subscriptions/page";
export { default as Subscription } from "./subscription/page";
export { default as Groups } from "./groups/page";
export { default as Group } from "./group/page";
export { default as Record } from "./record/page";
export { default as Topic } from "./topic/page";
export { default as Wizard } from "./wizard/page";
export { default as Connector } from "./connector/page";
export { default as Slots } from "./slots/page";
