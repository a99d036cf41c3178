// The time, as a signal that moves once a second while the tab is seen: what is relative to now reads it and is drawn again.

import { signal } from "@preact/signals";

export const now = signal(Date.now());

const move = () => {
  if (!document.hidden) now.value = Date.now();
};

setInterval(move, 1000);

document.addEventListener("visibilitychange", move);
