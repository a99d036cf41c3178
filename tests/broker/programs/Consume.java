import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Consume BOOTSTRAP all|group|times|produce TOPIC COUNT: prints "partition offset key value" of COUNT records. */
public class Consume {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("group.id", "java-group");
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        properties.put("isolation.level", "read_committed");
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        if (args[1].equals("produce")) {
            produce(args[0], args[2]);
            return;
        }
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            switch (args[1]) {
                case "all" -> {
                    List<TopicPartition> partitions = new ArrayList<>();
                    consumer.partitionsFor(args[2]).forEach(info -> partitions.add(new TopicPartition(info.topic(), info.partition())));
                    consumer.assign(partitions);
                    consumer.seekToBeginning(partitions);
                    print(consumer, Integer.parseInt(args[3]));
                }
                case "group" -> {
                    consumer.subscribe(List.of(args[2]));
                    print(consumer, Integer.parseInt(args[3]));
                    consumer.commitSync();
                }
                case "times" -> {
                    TopicPartition partition = new TopicPartition(args[2], 0);
                    System.out.println(consumer.offsetsForTimes(Map.of(partition, Long.parseLong(args[3]))).get(partition));
                    System.out.println(consumer.beginningOffsets(List.of(partition)) + " " + consumer.endOffsets(List.of(partition)));
                    try (Admin admin = Admin.create(properties)) {
                        System.out.println(admin.describeCluster().nodes().get());
                        System.out.println(admin.describeTopics(List.of(args[2])).allTopicNames().get());
                        System.out.println(admin.listOffsets(Map.of(partition, org.apache.kafka.clients.admin.OffsetSpec.maxTimestamp())).all().get());
                    }
                }
                default -> throw new IllegalArgumentException(args[1]);
            }
        }
    }

    static void print(KafkaConsumer<String, String> consumer, int count) {
        int seen = 0;
        while (seen < count) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                System.out.println(record.partition() + " " + record.offset() + " " + record.key() + " " + record.value());
                seen++;
            }
        }
    }

    static void produce(String bootstrap, String topic) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("enable.idempotence", "false");
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            producer.send(new ProducerRecord<>(topic, "k", "v")).get();
            System.out.println("it was taken");
        } catch (java.util.concurrent.ExecutionException refused) {
            System.out.println(refused.getCause());
        }
    }
}
