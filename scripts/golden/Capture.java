import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import io.debezium.converters.CloudEventsConverter;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;

/**
 * Runs Debezium's PostgreSQL connector in its embedded engine and prints every record as Kafka Connect would put it on
 * the wire: one JSON line {"topic","key","value","headers":[[name,value]...],"offset":{...}}, with key and value as the
 * converters' text, and with "partition" and "timestamp" where the record has its own.
 *
 * The first argument is a properties file: connector options as they are, and key.converter.*, value.converter.* and
 * header.converter.*, which are the converters' own. The program ends when its standard input does.
 */
public final class Capture {
    private static Map<String, Object> under(Properties properties, String prefix) {
        Map<String, Object> own = new LinkedHashMap<>();
        for (String name : properties.stringPropertyNames()) {
            if (name.startsWith(prefix)) {
                own.put(name.substring(prefix.length()), properties.getProperty(name));
            }
        }
        return own;
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    public static void main(String[] args) throws Exception {
        Properties given = new Properties();
        try (var in = Files.newBufferedReader(Path.of(args[0]))) {
            given.load(in);
        }
        JsonConverter keys = new JsonConverter();
        keys.configure(under(given, "key.converter."), true);
        boolean cloudEvents = given.getProperty("value.converter", "").endsWith("CloudEventsConverter");
        Converter values = cloudEvents ? new CloudEventsConverter() : new JsonConverter();
        values.configure(under(given, "value.converter."), false);
        String headerConverter = given.getProperty("header.converter", SimpleHeaderConverter.class.getName());
        HeaderConverter headers = (HeaderConverter) Class.forName(headerConverter).getDeclaredConstructor().newInstance();
        Map<String, Object> headerOptions = under(given, "header.converter.");
        headerOptions.put("converter.type", "header");
        headers.configure(headerOptions);
        Path offsets = Files.createTempFile("golden-offsets", ".dat");
        offsets.toFile().deleteOnExit();
        Files.delete(offsets);
        given.setProperty("name", "golden");
        given.setProperty("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
        given.setProperty("offset.storage.file.filename", offsets.toString());
        given.setProperty("poll.interval.ms", "20");
        ObjectMapper json = new ObjectMapper();
        DebeziumEngine<RecordChangeEvent<SourceRecord>> engine = DebeziumEngine.create(ChangeEventFormat.of(Connect.class))
                .using(given)
                .notifying((List<RecordChangeEvent<SourceRecord>> records,
                        DebeziumEngine.RecordCommitter<RecordChangeEvent<SourceRecord>> committer) -> {
                    for (RecordChangeEvent<SourceRecord> event : records) {
                        SourceRecord record = event.record();
                        Map<String, Object> line = new LinkedHashMap<>();
                        line.put("topic", record.topic());
                        line.put("key", text(keys.fromConnectData(record.topic(), record.keySchema(), record.key())));
                        line.put("value", text(values.fromConnectData(record.topic(), record.valueSchema(), record.value())));
                        List<List<String>> heads = new ArrayList<>();
                        for (Header header : record.headers()) {
                            heads.add(List.of(header.key(),
                                    Objects.toString(text(headers.fromConnectHeader(record.topic(), header.key(), header.schema(), header.value())), "")));
                        }
                        line.put("headers", heads);
                        if (record.kafkaPartition() != null) {
                            line.put("partition", record.kafkaPartition());
                        }
                        if (record.timestamp() != null) {
                            line.put("timestamp", record.timestamp());
                        }
                        line.put("offset", record.sourceOffset());
                        try {
                            System.out.println(json.writeValueAsString(line));
                        } catch (Exception e) {
                            throw new IllegalStateException(e);
                        }
                        committer.markProcessed(event);
                    }
                    System.out.flush();
                    committer.markBatchFinished();
                })
                .using((boolean ok, String message, Throwable error) -> {
                    System.err.println("ended: " + ok + " " + message + " " + error);
                    if (error != null) {
                        error.printStackTrace();
                    }
                    Runtime.getRuntime().halt(ok ? 0 : 1);
                })
                .build();
        Thread owner = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                }
            } catch (java.io.IOException e) {
                // The owner is gone.
            }
            Runtime.getRuntime().halt(0);
        });
        owner.setDaemon(true);
        owner.start();
        engine.run();
    }
}
