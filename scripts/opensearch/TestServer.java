import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.index.reindex.ReindexPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/**
 * OpenSearch as a library: one node of its own, without the distribution's scripts. TestServer HOME HTTP_PORT [REQUEST_BYTES_MAX]; port 0 takes a free one for
 * the transport. It ends with its standard input.
 */
public final class TestServer extends Node {
    private TestServer(Settings settings) {
        super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "test"), List.of(Netty4Plugin.class, ReindexPlugin.class), false);
    }

    public static void main(String[] args) throws Exception {
        Files.createDirectories(Path.of(args[0], "config"));
        Node node = new TestServer(Settings.builder()
            .put("path.home", args[0])
            .put("http.port", args[1])
            .put("transport.port", 0)
            .put("network.host", "127.0.0.1")
            .put("discovery.type", "single-node")
            .put("cluster.name", "test")
            .put("node.name", "test")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("http.max_content_length", args.length > 2 ? args[2] : "100mb")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build());
        node.start();
        while (System.in.read() >= 0) { }
        node.close();
    }
}
