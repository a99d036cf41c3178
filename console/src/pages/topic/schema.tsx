// What a topic's newest records look like: columns, their types as they were seen, and what the registry has of them.

import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import { Empty } from "../../ui/empty";
import { Loading } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";

export function Schema({ name }: { name: string }) {
  const { data, problem, again } = usePolled<unknown>(seg`/v1/topics/${name}/schema`);
  if (problem?.status === 404) return <Empty title="This service does not tell the schema">A newer one does, from the topic's newest records.</Empty>;
  if (problem) return <ProblemBox problem={problem} onRetry={again} />;
  if (data === undefined) return <Loading />;
  return <pre>{JSON.stringify(data, null, 2)}</pre>;
}
