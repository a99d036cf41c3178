// The two ways a person works a page: with the mouse, or with the keyboard alone. Both take Playwright's locators and do the same things, so
// that a story is written once. The keyboard goes where Tab leads, and promises to give up after so many of them.

const TABS_MAX = 400;

export const HANDS = {
  mouse: (page) => ({
    press: (what) => what.click(),
    tick: (what) => what.check(),
    fill: (what, text) => what.fill(text),
    leave: () => page.keyboard.press("Escape"),
  }),
  keyboard: (page) => {
    const { keyboard } = page;
    const reach = async (what) => {
      await what.waitFor();
      for (let i = 0; i < TABS_MAX; i++) {
        if (await what.evaluate((element) => element === document.activeElement)) return;
        await keyboard.press("Tab");
      }
      throw new Error(`${TABS_MAX} times Tab do not lead to ${what}`);
    };
    const does = (key) => async (what) => {
      await reach(what);
      await keyboard.press(key);
    };
    return {
      press: does("Enter"),
      tick: does("Space"),
      fill: async (what, text) => {
        await reach(what);
        await keyboard.press("Control+A");
        await keyboard.type(text);
      },
      leave: () => keyboard.press("Escape"),
    };
  },
};
