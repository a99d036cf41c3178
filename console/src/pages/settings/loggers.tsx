// How much the service logs, part by part, changed while it runs.

import { useState } from "preact/hooks";
import { asProblem, put, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { failed, told } from "../../app/toasts";
import { AsCommand } from "../../ui/as-command";
import { Loaded } from "../../ui/loading";
import { type Column, Table } from "../../ui/table";
import { Ago } from "../../ui/time";

interface Logger {
  name: string;
  level: string;
  last_modified: number | null;
}

const LEVELS = ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

export function Loggers() {
  const polled = usePolled<Record<string, Omit<Logger, "name">>>("/admin/loggers");
  const [last, setLast] = useState({ name: "rowfeed", level: "DEBUG" });
  const set = async (name: string, level: string) => {
    setLast({ name, level });
    try {
      const changed = await put<string[]>(seg`/admin/loggers/${name}`, { level });
      told(`${name} logs from ${level} on${changed && changed.length > 1 ? `, and ${changed.length - 1} below it` : ""}`);
    } catch (error) {
      failed("The level is as it was", asProblem(error));
    }
    polled.again();
  };
  const columns: Column<Logger>[] = [
    { id: "name", title: "Logger", by: (one) => one.name, cell: (one) => <code>{one.name}</code> },
    {
      id: "level",
      title: "Level",
      cell: (one) => (
        <select aria-label={`Level of ${one.name}`} value={one.level} onChange={(event) => set(one.name, event.currentTarget.value)}>
          {LEVELS.map((level) => (
            <option key={level} value={level}>
              {level}
            </option>
          ))}
        </select>
      ),
    },
    { id: "changed", title: "Changed", by: (one) => one.last_modified, cell: (one) => (one.last_modified === null ? <span class="muted">not since the start</span> : <Ago at={one.last_modified} />) },
  ];
  return (
    <>
      <p class="muted">A level counts for what lies below it, too, and until the next start: logging.level in the settings is what a start begins with. TRACE writes much.</p>
      <Loaded of={polled}>
        {(all) => <Table caption="Loggers" rows={Object.entries(all).map(([name, one]) => ({ name, ...one }))} columns={columns} keyOf={(one) => one.name} sort="name" />}
      </Loaded>
      <AsCommand call={{ method: "PUT", path: seg`/admin/loggers/${last.name}`, body: { level: last.level } }} />
    </>
  );
}
