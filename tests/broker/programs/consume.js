// consume.js BOOTSTRAP all|group TOPIC COUNT: prints "partition offset key value" of COUNT records.
const { Kafka, logLevel } = require('kafkajs');

const [bootstrap, mode, topic, count] = process.argv.slice(2);
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [bootstrap], logLevel: logLevel.ERROR });
// kafkajs has no consumer without a group: "all" takes one that nobody else uses.
const consumer = kafka.consumer({ groupId: mode === 'all' ? `all-${process.pid}` : 'kafkajs-group' });

async function main() {
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const next = {};
  let seen = 0;
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, (event) => reject(event.payload.error));
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (seen >= Number(count)) return;
        console.log(`${partition} ${message.offset} ${message.key} ${message.value}`);
        next[partition] = (BigInt(message.offset) + 1n).toString();
        if (++seen === Number(count)) resolve();
      },
    });
  });
  if (mode === 'group') {
    await consumer.commitOffsets(Object.entries(next).map(([partition, offset]) => ({ topic, partition: Number(partition), offset })));
  }
  await consumer.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
