// A line the size of a word, beside the number it leads to. It is decoration: the number says the same.

interface Props {
  values: readonly (number | null)[];
}

const WIDTH = 80;
const HEIGHT = 20;

export function Spark({ values }: Props) {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return <span class="spark" aria-hidden="true" />;
  const most = Math.max(...known) || 1;
  const step = WIDTH / Math.max(1, values.length - 1);
  // A gap begins a new line.
  let pen = "M";
  let path = "";
  values.forEach((value, i) => {
    if (value === null) {
      pen = "M";
      return;
    }
    path += `${pen}${(i * step).toFixed(1)} ${(HEIGHT - 1 - (value / most) * (HEIGHT - 3)).toFixed(1)}`;
    pen = "L";
  });
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
