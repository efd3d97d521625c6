import com.alibaba.nacos.common.utils.JacksonUtils;

import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Callable;

/** The server as seen over its HTTP API, which no client has a hand in. */
final class Api {

    private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private final String base;

    /** @param servers the first of them is asked. */
    Api(String servers) {
        this.base = "http://" + servers.split(",")[0] + "/nacos/v1/ns/instance";
    }

    List<Map<String, Object>> hosts(String namespace, String group, String service) throws Exception {
        String body = call("GET", "/list?namespaceId=" + namespace + "&groupName=" + group + "&serviceName=" + service);
        @SuppressWarnings("unchecked")
        List<Map<String, Object>> hosts = (List<Map<String, Object>>) JacksonUtils.toObj(body, Map.class).get("hosts");
        return hosts;
    }

    List<Map<String, Object>> hosts(String service) throws Exception {
        return hosts("public", "DEFAULT_GROUP", service);
    }

    /** Sorted {@code ip:port} of the instances. */
    String addresses(String namespace, String group, String service) throws Exception {
        TreeSet<String> found = new TreeSet<>();
        for (Map<String, Object> host : hosts(namespace, group, service)) {
            found.add(host.get("ip") + ":" + host.get("port"));
        }
        return String.join(" ", found);
    }

    String addresses(String service) throws Exception {
        return addresses("public", "DEFAULT_GROUP", service);
    }

    void publish(String service, String ip, int port, String... more) throws Exception {
        StringBuilder query = new StringBuilder("?serviceName=" + service + "&ip=" + ip + "&port=" + port);
        for (String parameter : more) {
            query.append('&').append(parameter);
        }
        call("POST", query.toString());
    }

    private String call(String method, String path) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(base + path))
                .method(method, HttpRequest.BodyPublishers.noBody()).build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(method + " " + path + ": " + answer.statusCode() + " " + answer.body());
        }
        return answer.body();
    }

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    /** Waits for {@code condition}; what it throws meanwhile counts as "not yet". */
    static void until(int seconds, String what, Callable<Boolean> condition) throws Exception {
        long giveUpAt = System.nanoTime() + seconds * 1_000_000_000L;
        Exception last = null;
        while (System.nanoTime() < giveUpAt) {
            try {
                if (condition.call()) {
                    return;
                }
                last = null;
            } catch (Exception notYet) {
                last = notYet;
            }
            Thread.sleep(20);
        }
        throw new IllegalStateException("not within " + seconds + " s: " + what, last);
    }

    /** Waits until {@code actual} gives {@code expected}. */
    static void await(int seconds, String what, Object expected, Callable<?> actual) throws Exception {
        List<Object> seen = new ArrayList<>();
        try {
            until(seconds, what, () -> {
                Object value = actual.call();
                seen.clear();
                seen.add(value);
                return expected.equals(value);
            });
        } catch (IllegalStateException late) {
            throw new IllegalStateException(late.getMessage() + ": want <" + expected + ">, last " + seen, late.getCause());
        }
    }
}
