// Pages of what goes in, and of the service itself: a connector, a new one, slots, settings, the API. They are loaded together, when one of
// them is gone to.

export { default as Api } from "./api/page";
export { default as Connector } from "./connector/page";
export { default as Settings } from "./settings/page";
export { default as Slots } from "./slots/page";
export { default as Wizard } from "./wizard/page";
