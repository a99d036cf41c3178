// The filter of a page's list: a field that `/` goes to, whose text is in the address.

import { useQuery } from "../app/query";

export function Filter({ name = "q", label }: { name?: string; label: string }) {
  const [value, set] = useQuery(name);
  return (
    <input
      type="search"
      class="filter"
      data-filter
      aria-label={label}
      placeholder={`${label}  ( / )`}
      autocomplete="off"
      spellcheck={false}
      value={value}
      onInput={(event) => set(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
    />
  );
}
