import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.utils.converter.AvroConverter;
import io.apicurio.registry.utils.converter.ExtJsonConverter;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;

/** Apicurio URL FORM: reads lines {"topic", "side", "avro": hex, "json": text}; Apicurio's converter of the form (avro, json) reads the
 * bytes, Kafka Connect's JsonConverter writes what they say, which has to be the JSON. What the converter then writes has to be the
 * bytes again, with the same id: it registers what was read and finds what rowfeed registered. */
public class Apicurio {
    static final ObjectMapper MAPPER = new ObjectMapper();
    static final Pattern BEYOND = Pattern.compile("\"(NaN|-?Infinity)\"|\\[\\[|[\\[,]null[,\\]]|-0\\.0");

    public static void main(String[] arguments) throws Exception {
        boolean isAvro = arguments[1].equals("avro");
        Map<String, Converter> converters = new HashMap<>();
        for (String side : new String[] {"key", "value"}) {
            Converter converter = isAvro ? new AvroConverter<Object>() : new ExtJsonConverter();
            Map<String, Object> options = new HashMap<>(Map.of("apicurio.registry.url", arguments[0], "apicurio.registry.auto-register", "true",
                "apicurio.registry.headers.enabled", "false", "apicurio.registry.as-confluent", "true", "apicurio.registry.use-id", "contentId",
                "apicurio.registry.serializer.dereference-schema", "true", "converter.type", side));
            converter.configure(options, side.equals("key"));
            converters.put(side, converter);
        }
        JsonConverter plain = new JsonConverter();
        plain.configure(Map.of("schemas.enable", "false", "replace.null.with.default", "false", "converter.type", "value"));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int count = 0, same = 0;
        for (String line = lines.readLine(); line != null; line = lines.readLine(), count++) {
            JsonNode pair = MAPPER.readTree(line);
            String topic = pair.get("topic").asText(), side = pair.get("side").asText();
            byte[] bytes = HexFormat.of().parseHex(pair.get("avro").asText());
            JsonNode event = flat(MAPPER.readTree(pair.get("json").asText()), isAvro);
            // A schema of numbers knows no text, which JSON has these three as, one of a list no lists within and often no nulls; and
            // the converter, reading, takes the sign of a zero away.
            if (!isAvro && BEYOND.matcher(pair.get("json").asText()).find()) {
                JsonNode payload = MAPPER.readTree(bytes).get("payload");
                forget(event);
                forget(payload);
                if (!payload.equals(event)) {
                    throw new AssertionError(topic + " " + side + "\n" + payload + "\n" + event);
                }
                same++;
                continue;
            }
            SchemaAndValue read = converters.get(side).toConnectData(topic, bytes);
            JsonNode said = flat(MAPPER.readTree(plain.fromConnectData(topic, read.schema(), read.value())), isAvro);
            if (event.has("source")) {
                forget(event);
                forget(said);
            }
            if (!said.equals(event)) {
                throw new AssertionError(topic + " " + side + "\n" + said + "\n" + event);
            }
            byte[] again = converters.get(side).fromConnectData(topic, read.schema(), read.value());
            if (Arrays.equals(bytes, again)) {
                same++;
            } else if (System.getenv("SHOW") != null) {
                System.err.println(topic + " " + side + "\n" + pair.get("avro").asText() + "\n" + HexFormat.of().formatHex(again) + "\n" + event);
            }
        }
        System.out.println(count + " " + same);
    }

    /** Another connector: its own name, its own clock, its own place in the stream. */
    static void forget(JsonNode event) {
        ((ObjectNode) event).remove(Arrays.asList("ts_ms", "ts_us", "ts_ns"));
        ((ObjectNode) event.get("source")).remove(Arrays.asList("name", "sequence", "ts_ms", "ts_us", "ts_ns", "snapshot", "lsn", "txId"));
    }

    /** Arrays of several dimensions are one list in Avro. */
    static JsonNode flat(JsonNode node, boolean wanted) {
        if (!wanted) {
            return node;
        }
        if (node.isObject()) {
            ObjectNode out = JsonNodeFactory.instance.objectNode();
            node.fields().forEachRemaining(field -> out.set(field.getKey(), flat(field.getValue(), true)));
            return out;
        }
        if (node.isArray()) {
            ArrayNode out = JsonNodeFactory.instance.arrayNode();
            for (JsonNode inner : node) {
                JsonNode one = flat(inner, true);
                if (one.isArray()) {
                    out.addAll((ArrayNode) one);
                } else {
                    out.add(one);
                }
            }
            return out;
        }
        return node;
    }
}
