import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.Listener;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** What an application does with the configuration half of the client; each scenario returns a short detail or throws. */
final class Configs {

    private static final String GROUP = "DEFAULT_GROUP";

    /** The client takes messages of 10 MiB, and the content stands in one. */
    private static final int LARGE_BYTES = 10_000_000;

    private static final int MANY = 3000;

    private static final long TIMEOUT_MS = 5000;

    /** What a listener holds before it was called. */
    private static final String NOTHING = "(nothing heard)";

    private final String version;

    private final String server;

    private final ConfigService publisher;

    private final ConfigService reader;

    Configs(String version, String server) throws Exception {
        this.version = version;
        this.server = server;
        this.publisher = connect("");
        this.reader = connect("");
    }

    String run(String name) throws Exception {
        switch (name) {
            case "config-publish":
                return publish();
            case "config-cas":
                return cas();
            case "config-listen":
                return listen();
            case "config-contents":
                return contents();
            case "config-large":
                return large();
            case "config-many":
                return many();
            case "config-beta":
                return beta();
            case "config-tag":
                return tag();
            case "config-tenants":
                return tenants();
            case "config-remove":
                return remove();
            case "config-type":
                return type();
            case "config-history":
                return history();
            case "config-fuzzy-watch":
                return fuzzyWatch();
            case "config-restart":
                return restart();
            default:
                throw new IllegalArgumentException("no scenario " + name);
        }
    }

    private String publish() throws Exception {
        put(publisher, "publish", "a: 1");
        expect("over HTTP", md5("a: 1"), show("publish").get("md5"));
        expect("through the other client", "a: 1", get(reader, "publish"));
        expect("what nobody published", null, get(reader, "publish-nothing"));
        return "";
    }

    private String cas() throws Exception {
        put(publisher, "cas", "one");
        expect("the wrong md5", false, publishCas("two", md5("three")));
        expect("what is left", "one", get(reader, "cas"));
        expect("the right md5", true, publishCas("two", md5("one")));
        expect("what came", "two", get(reader, "cas"));
        return "";
    }

    private String listen() throws Exception {
        ConfigService listening = connect("");
        AtomicReference<String> heard = hear(listening, "listen");
        put(publisher, "listen", "one");
        awaitHeard("added", "one", heard);
        Runner.ask("put", "dataId", "listen", "content", "two");
        awaitHeard("changed", "two", heard);
        expect("removed", true, remove("listen"));
        awaitHeard("removed", null, heard);
        Runner.ask("put", "dataId", "listen", "content", "three");
        awaitHeard("added again", "three", heard);
        listening.shutDown();
        return "";
    }

    private String contents() throws Exception {
        @SuppressWarnings("unchecked")
        List<Map<String, String>> contents = (List<Map<String, String>>) Runner.ask("contents").get("contents");
        for (Map<String, String> content : contents) {
            String name = content.get("name");
            String text = content.get("text");
            put(publisher, "contents-" + name, text);
            expect(name + " over HTTP", md5(text), show("contents-" + name).get("md5"));
            expect(name + " through the client", text, get(reader, "contents-" + name));
            Runner.ask("put", "dataId", "from-outside-" + name, "content", text);
            expect(name + " from outside", text, get(reader, "from-outside-" + name));
        }
        return contents.size() + " contents";
    }

    private String large() throws Exception {
        String text = "0123456789".repeat(LARGE_BYTES / 10);
        AtomicReference<String> heard = hear(reader, "large");
        // The client waits for three seconds, which it may need itself on a slow machine, and then connects anew.
        Api.until(30, "publish large", () -> publisher.publishConfig("large", GROUP, text));
        Runner.ask("settled");
        expect("over HTTP", md5(text), show("large").get("md5"));
        Api.until(30, "a listener hears of it", () -> text.equals(heard.get()));
        Runner.ask("putLarge", "dataId", "large-from-outside", "bytes", LARGE_BYTES);
        expect("from outside", md5(text), md5(get(reader, "large-from-outside")));
        return LARGE_BYTES + " bytes";
    }

    private String many() throws Exception {
        ConfigService listening = connect("");
        Map<String, String> heard = new ConcurrentHashMap<>();
        AtomicInteger calls = new AtomicInteger();
        for (int i = 0; i < MANY; i++) {
            String dataId = "many-" + i;
            listening.addListener(dataId, GROUP, new Inline(content -> {
                calls.incrementAndGet();
                heard.put(dataId, content);
            }));
        }
        if (version.startsWith("1.")) {
            // Its 3,000th goes to a second poll, which this client starts with the next one only.
            hear(listening, "many-more");
        }
        long startedAt = System.nanoTime();
        Runner.ask("putMany", "dataId", "many", "count", MANY, "content", "changed");
        Api.await(60, "all hear of their change", "none is missing", () -> missing(heard));
        long heardMs = (System.nanoTime() - startedAt) / 1_000_000;
        for (int i = 0; i < MANY; i++) {
            expect("the content of " + i, "changed-" + i, heard.get("many-" + i));
        }
        expect("calls", MANY, calls.get());
        listening.shutDown();
        return "written and heard in " + heardMs + " ms";
    }

    private static String missing(Map<String, String> heard) {
        for (int i = 0; i < MANY; i++) {
            if (!heard.containsKey("many-" + i)) {
                return heard.size() + " of " + MANY + ", many-" + i + " is missing";
            }
        }
        return "none is missing";
    }

    private String beta() throws Exception {
        put(publisher, "beta", "formal");
        // The address by which the server knows this client.
        String ip = (String) Runner.ask("history", "dataId", "beta").get("ip");
        ConfigService listening = connect("");
        AtomicReference<String> heard = hear(listening, "beta");
        Runner.ask("put", "dataId", "beta", "content", "not for me", "betaIps", "10.99.99.99");
        expect("a beta version for others", "formal", get(reader, "beta"));
        Runner.ask("put", "dataId", "beta", "content", "for me", "betaIps", "10.99.99.99," + ip);
        awaitHeard("a beta version for this client", "for me", heard);
        expect("a beta version for this client", "for me", get(reader, "beta"));
        Runner.ask("put", "dataId", "beta", "content", "not for me", "betaIps", "10.99.99.99");
        awaitHeard("the formal one again", "formal", heard);
        listening.shutDown();
        return "for " + ip;
    }

    private String tag() throws Exception {
        put(publisher, "tag", "formal");
        Properties properties = properties("");
        properties.setProperty("nacos.app.conn.labels", "Vipserver-Tag=blue");
        ConfigService blue = NacosFactory.createConfigService(properties);
        AtomicReference<String> heard = hear(blue, "tag");
        Runner.ask("put", "dataId", "tag", "content", "for blue", "tag", "blue");
        awaitHeard("a client with the tag", "for blue", heard);
        expect("a client with the tag", "for blue", get(blue, "tag"));
        expect("a client without", "formal", get(reader, "tag"));
        blue.shutDown();
        return "nacos.app.conn.labels=Vipserver-Tag=blue";
    }

    private String tenants() throws Exception {
        ConfigService named = connect("public");
        ConfigService green = connect("green");
        AtomicReference<String> heardBlank = hear(connect(""), "tenants");
        AtomicReference<String> heardNamed = hear(named, "tenants");
        AtomicReference<String> heardGreen = hear(green, "tenants");
        put(reader, "tenants", "of public");
        put(green, "tenants", "of green");
        awaitHeard("a listener that wrote it blank", "of public", heardBlank);
        awaitHeard("a listener that wrote it public", "of public", heardNamed);
        awaitHeard("a listener of another", "of green", heardGreen);
        expect("read as public", "of public", get(named, "tenants"));
        expect("over HTTP", md5("of green"),
                Runner.ask("show", "dataId", "tenants", "namespaceId", "green").get("md5"));
        Runner.ask("put", "dataId", "tenants", "content", "changed");
        awaitHeard("blank, changed", "changed", heardBlank);
        awaitHeard("public, changed", "changed", heardNamed);
        expect("another, left alone", "of green", heardGreen.get());
        return "";
    }

    private String remove() throws Exception {
        put(publisher, "remove", "there");
        expect("there", "there", get(reader, "remove"));
        expect("removed", true, remove("remove"));
        expect("over HTTP", false, show("remove").get("found"));
        expect("through the client", null, get(reader, "remove"));
        expect("once more", true, remove("remove"));
        return "";
    }

    private String type() throws Exception {
        expect("published", true, publisher.publishConfig("type", GROUP, "{\"a\":1}", "json"));
        expect("its type", "json", show("type").get("type"));
        put(publisher, "type", "{\"a\":2}");
        String type = (String) show("type").get("type");
        // This client sends text when the application gives no type, which says so to the server.
        if (!type.equals("json") && !type.equals("text")) {
            throw new IllegalStateException("its type is " + type);
        }
        return type.equals("json") ? "" : "this client sends text when it is given no type";
    }

    private String history() throws Exception {
        put(publisher, "history", "one");
        put(publisher, "history", "two");
        expect("removed", true, remove("history"));
        Map<String, Object> history = Runner.ask("history", "dataId", "history");
        expect("operations", "I U D", history.get("ops"));
        expect("an address of this machine: " + history.get("ip"), true, history.get("own"));
        return "by " + history.get("ip");
    }

    private String fuzzyWatch() throws Exception {
        Runner.ask("put", "dataId", "fuzzy-old", "group", "FUZZY", "content", "1");
        AtomicReference<TreeSet<String>> events = new AtomicReference<>(new TreeSet<>());
        Class.forName("ConfigFuzzy").getMethod("watch", ConfigService.class, String.class, AtomicReference.class)
                .invoke(null, reader, "FUZZY", events);
        Api.until(10, "the one that is there", () -> events.get().contains("ADD_CONFIG fuzzy-old"));
        expect("published", true, publisher.publishConfig("fuzzy-new", "FUZZY", "1"));
        Api.until(10, "a new one", () -> events.get().contains("ADD_CONFIG fuzzy-new"));
        Runner.ask("remove", "dataId", "fuzzy-old", "group", "FUZZY");
        Api.until(10, "a removed one", () -> events.get().contains("DELETE_CONFIG fuzzy-old"));
        return events.get().toString();
    }

    private String restart() throws Exception {
        ConfigService listening = connect("");
        put(publisher, "restart", "before");
        AtomicReference<String> heard = hear(listening, "restart");
        AtomicReference<String> heardNew = hear(listening, "restart-new");
        Runner.ask("put", "dataId", "restart", "content", "listening");
        awaitHeard("before", "listening", heard);
        Runner.ask("restart");
        Runner.ask("put", "dataId", "restart", "content", "right after");
        Runner.ask("put", "dataId", "restart-new", "content", "new");
        long restartedAt = System.nanoTime();
        Api.await(60, "right after the restart", "right after", heard::get);
        Api.await(60, "added right after the restart", "new", heardNew::get);
        long heardMs = (System.nanoTime() - restartedAt) / 1_000_000;
        Runner.ask("put", "dataId", "restart", "content", "later");
        awaitHeard("later", "later", heard);
        expect("the newest", "later", get(reader, "restart"));
        return "heard after " + heardMs + " ms";
    }

    /** Looked up by name because clients before 2 do not have it. */
    private Object publishCas(String content, String md5) throws Exception {
        return ConfigService.class.getMethod("publishConfigCas", String.class, String.class, String.class, String.class)
                .invoke(publisher, "cas", GROUP, content, md5);
    }

    private ConfigService connect(String namespace) throws Exception {
        return NacosFactory.createConfigService(properties(namespace));
    }

    private Properties properties(String namespace) {
        Properties properties = new Properties();
        properties.setProperty("serverAddr", server);
        properties.setProperty("namespace", namespace);
        return properties;
    }

    private static void put(ConfigService client, String dataId, String content) throws Exception {
        expect("publish " + dataId, true, client.publishConfig(dataId, GROUP, content));
        Runner.ask("settled");
    }

    private boolean remove(String dataId) throws Exception {
        boolean removed = publisher.removeConfig(dataId, GROUP);
        Runner.ask("settled");
        return removed;
    }

    private static String get(ConfigService client, String dataId) throws Exception {
        return client.getConfig(dataId, GROUP, TIMEOUT_MS);
    }

    private static Map<String, Object> show(String dataId) throws Exception {
        return Runner.ask("show", "dataId", dataId);
    }

    /** What a listener was told last. */
    private static AtomicReference<String> hear(ConfigService client, String dataId) throws Exception {
        AtomicReference<String> heard = new AtomicReference<>(NOTHING);
        client.addListener(dataId, GROUP, new Inline(heard::set));
        return heard;
    }

    private static void awaitHeard(String what, String expected, AtomicReference<String> heard) throws Exception {
        Api.until(15, "heard: " + what, () -> Objects.equals(expected, heard.get()));
    }

    private static void expect(String what, Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new IllegalStateException(what + ": want <" + expected + ">, not <" + actual + ">");
        }
    }

    private static String md5(String text) throws Exception {
        byte[] digest = MessageDigest.getInstance("MD5").digest(text.getBytes(StandardCharsets.UTF_8));
        return String.format("%032x", new BigInteger(1, digest));
    }

    private static final class Inline implements Listener {

        private final java.util.function.Consumer<String> consumer;

        Inline(java.util.function.Consumer<String> consumer) {
            this.consumer = consumer;
        }

        @Override
        public Executor getExecutor() {
            return null;
        }

        @Override
        public void receiveConfigInfo(String content) {
            consumer.accept(content);
        }
    }
}
