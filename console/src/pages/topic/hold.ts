// Whether somebody reads the list of records, so that it stands still: the pointer is over it, text in it is selected, the keyboard is in it, or
// its top was scrolled away. The pointer may go on to what stands above the list, to the button that shows what waits, without letting go.

import { useEffect } from "preact/hooks";

/** `area` holds the list (.records) and what stands above it. Without `onHold` nothing is watched. */
export function useHold(area: { current: HTMLElement | null }, onHold: ((isHeld: boolean) => void) | undefined) {
  useEffect(() => {
    const all = area.current;
    if (!all || !onHold) return;
    const list = () => all.querySelector(".records");
    const isIn = (part: Element | null, node: EventTarget | null) => part !== null && node instanceof Node && part.contains(node);
    let isOver = list()?.matches(":hover") ?? false;
    const tell = () => {
      const rows = list();
      const selection = getSelection();
      const isSelected = rows !== null && selection !== null && !selection.isCollapsed && selection.containsNode(rows, true);
      const isScrolled = rows !== null && rows.getBoundingClientRect().top < 0;
      onHold(isOver || isSelected || isScrolled || all.querySelector(".records:focus-visible, .records :focus-visible, .held:focus-visible") !== null);
    };
    const over = (event: PointerEvent) => {
      if (event.pointerType === "touch" || isOver || !isIn(list(), event.target)) return;
      isOver = true;
      tell();
    };
    const leave = () => {
      isOver = false;
      tell();
    };
    // Focus has not arrived yet when the one before it leaves.
    const later = () => queueMicrotask(tell);
    all.addEventListener("pointerover", over);
    all.addEventListener("pointerleave", leave);
    all.addEventListener("focusin", tell);
    all.addEventListener("focusout", later);
    document.addEventListener("selectionchange", tell);
    document.addEventListener("scroll", tell, { passive: true });
    tell();
    return () => {
      all.removeEventListener("pointerover", over);
      all.removeEventListener("pointerleave", leave);
      all.removeEventListener("focusin", tell);
      all.removeEventListener("focusout", later);
      document.removeEventListener("selectionchange", tell);
      document.removeEventListener("scroll", tell);
      onHold(false);
    };
  }, [onHold]);
}
