// Finds entries by a few letters: all words must be in them; those that begin with the text come first, then shorter ones.

/** The best of a list, at most so many, in a stable order. An empty text keeps the list's own order. */
export function best<T>(list: readonly T[], text: string, words: (one: T) => string, most: number): T[] {
  const asked = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (asked.length === 0) return list.slice(0, most);
  const scored: { one: T; score: number }[] = [];
  for (const one of list) {
    const all = words(one).toLowerCase();
    let score = all.length / 1000;
    for (const word of asked) {
      const at = all.indexOf(word);
      if (at < 0) {
        score = Number.POSITIVE_INFINITY;
        break;
      }
      const begins = at === 0 || !/[a-z0-9]/.test(all.charAt(at - 1));
      score += (at === 0 ? 0 : begins ? 1 : 2) + at / 100;
    }
    if (Number.isFinite(score)) scored.push({ one, score });
  }
  return scored
    .sort((a, b) => a.score - b.score)
    .slice(0, most)
    .map(({ one }) => one);
}

/** Whether a text holds all words of a filter. */
export function holds(text: string, filter: string): boolean {
  const all = text.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
