// One of a few, as buttons in a row: 15 min, 1 h, 24 h.

interface Props<T extends string> {
  label: string;
  of: readonly (readonly [value: T, title: string])[];
  value: T;
  onChange: (value: T) => void;
}

export function Choice<T extends string>({ label, of, value, onChange }: Props<T>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {of.map(([one, title]) => (
        <button key={one} type="button" aria-pressed={one === value} onClick={() => onChange(one)}>
          {title}
        </button>
      ))}
    </div>
  );
}
