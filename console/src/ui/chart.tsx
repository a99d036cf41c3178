// A chart over time (uPlot): lines with a light area, one cursor for all charts of a page, colours by the theme's tokens, a table for those
// who do not see it. Promises that six lines are the most and that each is told apart by its dashes, too.

import "uplot/dist/uPlot.min.css";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { colours, zone } from "../app/preferences";
import { clock } from "../text/format";

export interface Line {
  name: string;
  /** One for each time; null where there is none. */
  values: readonly (number | null)[];
}

interface Props {
  title: string;
  /** Milliseconds since 1970, growing. */
  times: readonly number[];
  lines: readonly Line[];
  /** A value with its unit. */
  format: (value: number) => string;
  /** Charts of the same name share the cursor. */
  sync?: string;
  height?: number;
  /** From and to, where the chart is wider than its values; milliseconds. */
  range?: readonly [number, number] | undefined;
  /** Said in place of lines when there are no values yet. */
  none?: string;
}

const TOKENS = ["--accent", "--info", "--snapshot", "--warn", "--ok", "--error"] as const;
const DASHES: readonly (number[] | undefined)[] = [undefined, [6, 3], [2, 3], [10, 4, 2, 4], [4, 4], [1, 5]];
/** Lines of a chart. */
export const LINES_MAX = TOKENS.length;
/** Rows of the table beside it. */
const ROWS_MAX = 60;
const HEIGHT = 140;

export function Chart({ title, times, lines, format, sync, height = HEIGHT, range, none = "No values yet." }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [at, setAt] = useState<number | null>(null);
  const drawn = lines.slice(0, LINES_MAX);
  const names = drawn.map((line) => line.name).join("\n");
  const data = useMemo(
    (): uPlot.AlignedData => [times.map((time) => time / 1000), ...drawn.map((line) => [...line.values])],
    [times, lines],
  );
  const latest = useRef({ data, format, range });
  latest.current = { data, format, range };
  const isEmpty = !drawn.some((line) => line.values.some((value) => value !== null));

  // A new plot for other lines, another theme, another zone; else only new data.
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(
      options({ names: names.split("\n"), width: element.clientWidth, height, sync, latest, onCursor: setAt }),
      latest.current.data,
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [names, height, sync, colours.value, zone.value, isEmpty]);
  useEffect(() => plot.current?.setData(data), [data, range?.[0], range?.[1]]);

  const index = at ?? lastKnown(drawn, times.length);
  const when = times[index];
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="legend">
          {(isEmpty ? [] : drawn).map((line, i) => (
            <span key={line.name} class="nowrap">
              {drawn.length > 1 && (
                <svg class={`line line-${i}`} viewBox="0 0 20 4" width="20" height="4" aria-hidden="true">
                  <path d="M0 2h20" stroke-dasharray={DASHES[i]?.join(" ")} />
                </svg>
              )}
              {drawn.length > 1 && `${line.name} `}
              <b>{said(line.values[index], format)}</b>
            </span>
          ))}
          {at !== null && when !== undefined && <span class="muted nowrap">{clock(when, zone.value, Date.now(), false)}</span>}
        </span>
      </figcaption>
      {isEmpty ? (
        <p class="chart-none muted" style={{ height: `${height}px` }}>
          {none}
        </p>
      ) : (
        <div ref={box} class="plot" aria-hidden="true" />
      )}
      {lines.length > LINES_MAX && (
        <p class="muted">
          {LINES_MAX} of {lines.length} are drawn.
        </p>
      )}
      {!isEmpty && (
        <details class="chart-table">
          <summary>As a table</summary>
          <Numbers title={title} times={times} lines={drawn} format={format} />
        </details>
      )}
    </figure>
  );
}

const said = (value: number | null | undefined, format: (value: number) => string) =>
  value === null || value === undefined ? "–" : format(value);

function lastKnown(lines: readonly Line[], length: number): number {
  for (let i = length - 1; i >= 0; i -= 1) if (lines.some((line) => typeof line.values[i] === "number")) return i;
  return length - 1;
}

function Numbers({ title, times, lines, format }: Pick<Props, "title" | "times" | "lines" | "format">) {
  const from = Math.max(0, times.length - ROWS_MAX);
  return (
    <div class="table-wrap" role="region" aria-label={`${title}, numbers`} tabIndex={0}>
      <table>
        <caption class="sr">{title}</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {lines.map((line) => (
              <th key={line.name} scope="col" class="num">
                {line.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times
            .slice(from)
            .map((time, i) => (
              <tr key={time}>
                <th scope="row">{clock(time, zone.value, Date.now(), false)}</th>
                {lines.map((line) => (
                  <td key={line.name} class="num">
                    {said(line.values[from + i], format)}
                  </td>
                ))}
              </tr>
            ))
            .reverse()}
        </tbody>
      </table>
      {from > 0 && <p class="muted">The last {ROWS_MAX} of {times.length}; all of them: /v1/series.</p>}
    </div>
  );
}

interface Wishes {
  names: string[];
  width: number;
  height: number;
  sync: string | undefined;
  latest: { current: { data: uPlot.AlignedData; format: (value: number) => string; range: Props["range"] } };
  onCursor: (index: number | null) => void;
}

function options({ names, width, height, sync, latest, onCursor }: Wishes): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const axis = { stroke: token("--muted"), font: `11px ${token("--font")}`, ticks: { show: false } };
  const grid = { stroke: token("--border"), width: 1 };
  const isUtc = zone.peek() === "utc";
  return {
    width,
    height,
    ...(isUtc ? { tzDate: (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") } : {}),
    legend: { show: false },
    padding: [8, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, ...(sync ? { sync: { key: sync } } : {}) },
    scales: {
      x: { range: (_, min, max) => (latest.current.range ? [latest.current.range[0] / 1000, latest.current.range[1] / 1000] : [min, max]) },
      // From zero on, and never a scale without a height.
      y: { range: (_, _min, max) => [0, Math.max((max || 0) * 1.1, Number.EPSILON * 1e6)] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 24, values: clockTicks(isUtc) },
      { ...axis, grid, size: 64, splits: (_, __, ___, max) => [0, max / 2.2, max / 1.1], values: (_, ticks) => ticks.map((tick) => latest.current.format(tick)) },
    ],
    series: [
      {},
      ...names.map((name, i): uPlot.Series => {
        const stroke = token(TOKENS[i] ?? "--accent");
        const dash = DASHES[i];
        // 8 % of the line's own colour.
        return { label: name, stroke, width: 1.5, ...(names.length === 1 ? { fill: `${stroke}14` } : {}), ...(dash ? { dash } : {}), points: { show: false } };
      }),
    ],
    hooks: { setCursor: [(u) => onCursor(u.cursor.idx ?? null)] },
  };
}

/** Hours and minutes on the axis, in 24 hours whatever the browser's language. */
function clockTicks(isUtc: boolean): uPlot.Axis.Values {
  return (_, ticks) =>
    ticks.map((tick) => clock(tick * 1000, isUtc ? "utc" : "local", tick * 1000, false).slice(0, 5));
}
