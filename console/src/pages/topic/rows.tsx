// The table of records: one line each, one of them open. Promises that a row is drawn again only when it changed, so that many a second
// cost only the new ones.

import { Component } from "preact";
import { useRef } from "preact/hooks";
import { now } from "../../app/now";
import { ui } from "../../app/paths";
import { zone } from "../../app/preferences";
import { absolute, clock } from "../../text/format";
import type { Zone } from "../../text/format";
import type { Line } from "../../text/change";
import { keyText, opWord } from "../../text/diff";
import { useRowKeys } from "../../ui/table";
import { RecordDetail } from "../record/detail";

interface Props {
  topic: string;
  rows: readonly Line[];
  /** The id of the row that is open. */
  open: string;
  onOpen: (id: string) => void;
  /** A live list is not read aloud line by line. */
  isLive: boolean;
  isBusy: boolean;
}

const TONES: Record<string, string> = { c: "tone-ok", u: "tone-info", d: "tone-error", r: "tone-snapshot", t: "tone-warn" };

export function Rows({ topic, rows, open, onOpen, isLive, isBusy }: Props) {
  const body = useRef<HTMLTableSectionElement>(null);
  useRowKeys(body);
  return (
    <div class="table-wrap scrolls records" role="region" aria-label="Records" aria-live="off" aria-busy={isBusy} tabIndex={0}>
      <table class="record-list">
        <caption class="sr">
          Records of {topic}
          {isLive ? ", new ones on top" : ""}
        </caption>
        <thead>
          <tr>
            <th scope="col" class="c-time">Time</th>
            <th scope="col" class="c-op">Op</th>
            <th scope="col" class="c-key">Key</th>
            <th scope="col">Change</th>
            <th scope="col" class="num c-partition">Partition</th>
            <th scope="col" class="num c-offset">Offset</th>
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <Row key={row.id} topic={topic} row={row} zone={zone.value} isOpen={row.id === open} onOpen={onOpen} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A click anywhere in a row that is no link, no button and no end of a selection; the keyboard has the button. */
const opensRow = (open: () => void) => (event: MouseEvent) => {
  const isOther = event.target instanceof Element && event.target.closest("a, button");
  if (!isOther && getSelection()?.isCollapsed !== false) open();
};

interface RowProps {
  topic: string;
  row: Line;
  zone: Zone;
  isOpen: boolean;
  onOpen: (id: string) => void;
}

class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps) {
    const { row, zone: in_, isOpen, onOpen } = this.props;
    return next.row !== row || next.zone !== in_ || next.isOpen !== isOpen || next.onOpen !== onOpen;
  }

  override render({ topic, row, zone: in_, isOpen, onOpen }: RowProps) {
    const key = keyText(row.key);
    return (
      <>
        <tr class={isOpen ? "open" : undefined} onClick={opensRow(() => onOpen(isOpen ? "" : row.id))}>
          <td class="nowrap">
            <button
              type="button"
              class="quiet expand"
              aria-expanded={isOpen}
              aria-label={`Details of ${opWord(row.op)} ${key}, offset ${row.offset}`}
              onClick={() => onOpen(isOpen ? "" : row.id)}
            >
              {isOpen ? "▾" : "▸"}
            </button>
            <time title={absolute(row.at, in_)}>{clock(row.at, in_, now.peek())}</time>
          </td>
          <td class={`op ${TONES[row.op ?? ""] ?? "muted"}`}>{row.isTombstone ? "tombstone" : opWord(row.op)}</td>
          <th scope="row" class="mono ellipsis" title={key}>
            {key}
          </th>
          <td class="mono ellipsis" title={row.text}>
            {row.filter && <span class="badge">{row.filter}</span>} {row.text}
          </td>
          <td class="num">{row.partition}</td>
          <td class="num">
            <a href={ui.record(topic, row.partition, row.offset)}>{row.offset}</a>
          </td>
        </tr>
        {isOpen && (
          <tr class="detail-row">
            <td colSpan={6}>
              <RecordDetail topic={topic} partition={row.partition} offset={row.offset} />
            </td>
          </tr>
        )}
      </>
    );
  }
}

