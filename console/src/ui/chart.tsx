// A chart over time: lines, a light area below a single one, one cursor for all charts of a page, a table for those who do not see it.
// Promises that six lines are the most and that each is told apart by its dashes, too. Colours are the style sheet's, as the theme has them.

import { signal } from "@preact/signals";
import { useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { zone } from "../app/preferences";
import { clock } from "../text/format";
import { nearest, path, runs, timeTicks } from "../text/plot";

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

const DASHES: readonly (string | undefined)[] = [undefined, "6 3", "2 3", "10 4 2 4", "4 4", "1 5"];
/** Lines of a chart. */
export const LINES_MAX = DASHES.length;
/** Rows of the table beside it. */
const ROWS_MAX = 60;
const HEIGHT = 140;
/** Around the lines: room for values at the left and times below. */
const [TOP, RIGHT, BOTTOM, LEFT] = [8, 8, 24, 64];
/** From one time of the axis to the next, at least. */
const TICK_PX = 72;

/** Where the pointer is, and the charts that share it. */
const cursor = signal<{ of: string; at: number } | null>(null);

export function Chart({ title, times, lines, format, sync, height = HEIGHT, range, none = "No values yet." }: Props) {
  const own = useId();
  const key = sync ?? own;
  const drawn = lines.slice(0, LINES_MAX);
  const isEmpty = !drawn.some((line) => line.values.some((value) => value !== null));
  const at = !isEmpty && cursor.value?.of === key ? nearest(times, cursor.value.at) : null;
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
                  <path d="M0 2h20" stroke-dasharray={DASHES[i]} />
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
        <Plot times={times} lines={lines} format={format} height={height} range={range} at={at} onCursor={(time) => (cursor.value = time === null ? null : { of: key, at: time })} />
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

interface PlotProps extends Pick<Props, "times" | "lines" | "format" | "range"> {
  height: number;
  /** Which time the cursor is at. */
  at: number | null;
  onCursor: (time: number | null) => void;
}

function Plot({ times, lines, format, height, range, at, onCursor }: PlotProps) {
  const box = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current!;
    const measure = () => setWidth(element.clientWidth);
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  const first = range?.[0] ?? times[0] ?? 0;
  const last = Math.max(range?.[1] ?? times.at(-1) ?? 0, first + 1);
  const [right, bottom] = [Math.max(LEFT + 1, width - RIGHT), height - BOTTOM];
  const x = (time: number) => LEFT + ((time - first) / (last - first)) * (right - LEFT);
  // From zero on; the highest value leaves a tenth free above it.
  const most = useMemo(() => Math.max(0, ...lines.slice(0, LINES_MAX).flatMap((line) => line.values.map((value) => value ?? 0))), [lines]);
  const y = (value: number) => bottom - (value / (most * 1.1 || 1)) * (bottom - TOP);
  const shapes = useMemo(
    () => lines.slice(0, LINES_MAX).map((line) => runs(line.values.slice(0, times.length), (value, i) => [x(times[i]!), y(value)])),
    [times, lines, width, height, first, last],
  );
  const isUtc = zone.value === "utc";
  const { step, ticks } = timeTicks(first, last, (right - LEFT) / TICK_PX, isUtc ? 0 : new Date(last).getTimezoneOffset() * -60_000);
  // What would read the same twice is drawn once: zero and the top before the half.
  const levels = [0, most, most / 2].map((value) => ({ value, text: format(value) })).filter(({ text }, i, all) => all.findIndex((one) => one.text === text) === i);
  const time = at === null ? undefined : times[at];
  const onMove = (event: MouseEvent) => {
    const share = (event.clientX - box.current!.getBoundingClientRect().left - LEFT) / (right - LEFT);
    onCursor(share < 0 || share > 1 ? null : first + share * (last - first));
  };
  return (
    <svg ref={box} class="plot" height={height} aria-hidden="true" onMouseMove={onMove} onMouseLeave={() => onCursor(null)}>
      {levels.map(({ value, text }) => (
        <g key={value}>
          <path class="plot-grid" d={`M${LEFT} ${Math.round(y(value)) + 0.5}H${right}`} />
          <text x={LEFT - 8} y={y(value)} dy="4" text-anchor="end">
            {text}
          </text>
        </g>
      ))}
      {ticks.map((tick) => (
        <text key={tick} x={x(tick)} y={height - 9} text-anchor="middle">
          {clock(tick, zone.value, tick, false).slice(0, step < 60_000 ? 8 : 5)}
        </text>
      ))}
      {shapes.map((shape, i) => (
        <g key={i} class={`line line-${i}`}>
          {shapes.length === 1 && <path class="area" d={path(shape, bottom)} />}
          <path d={path(shape)} stroke-dasharray={DASHES[i]} />
        </g>
      ))}
      {time !== undefined && (
        <>
          <path class="plot-cursor" d={`M${Math.round(x(time)) + 0.5} ${TOP}V${bottom}`} />
          {lines.slice(0, LINES_MAX).map((line, i) => {
            const value = line.values[at!];
            return typeof value === "number" && <circle key={i} class={`line-${i}`} cx={x(time)} cy={y(value)} r="3" />;
          })}
        </>
      )}
    </svg>
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
