import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;

/** What an application does with the client; each scenario returns a short detail or throws. */
final class Scenarios {

    private static final String GROUP = "DEFAULT_GROUP";

    private final String version;

    private final String server;

    private final String strictServer;

    private final Api api;

    private final NamingService publisher;

    private final NamingService reader;

    Scenarios(String version, String server, String strictServer) throws Exception {
        this.version = version;
        this.server = server;
        this.strictServer = strictServer;
        this.api = new Api(server);
        this.publisher = connect(server, "");
        this.reader = connect(server, "");
    }

    String run(String name) throws Exception {
        switch (name) {
            case "register":
                return register();
            case "deregister":
                return deregister();
            case "batch":
                return batch();
            case "subscribe":
                return subscribe();
            case "select":
                return select();
            case "metadata":
                return metadata();
            case "metadata-refused":
                return metadataRefused();
            case "persistent":
                return persistent();
            case "groups":
                return groups();
            case "namespaces":
                return namespaces();
            case "clusters":
                return clusters();
            case "services":
                return services();
            case "thousand":
                return thousand();
            case "fuzzy-watch":
                return fuzzyWatch();
            case "restart":
                return restart();
            default:
                throw new IllegalArgumentException("no scenario " + name);
        }
    }

    private String register() throws Exception {
        publisher.registerInstance("register", instance("10.1.0.1", 8080));
        Api.await(10, "the instance over HTTP", "10.1.0.1:8080", () -> api.addresses("register"));
        Api.await(10, "the instance through the client", "10.1.0.1:8080", () -> all(reader, GROUP, "register"));
        return "";
    }

    private String deregister() throws Exception {
        publisher.registerInstance("deregister", instance("10.1.0.2", 8080));
        Api.await(10, "the instance", "10.1.0.2:8080", () -> api.addresses("deregister"));
        publisher.deregisterInstance("deregister", GROUP, instance("10.1.0.2", 8080));
        Api.await(10, "no instance", "", () -> api.addresses("deregister"));
        return "";
    }

    private String batch() throws Exception {
        batchRegister("batch", instances("10.2.0.", 5));
        Api.await(10, "five instances", 5, () -> api.hosts("batch").size());
        batchRegister("batch", instances("10.2.0.", 3));
        Api.await(10, "three of them", "10.2.0.1:8080 10.2.0.2:8080 10.2.0.3:8080", () -> api.addresses("batch"));
        NamingService.class.getMethod("batchDeregisterInstance", String.class, String.class, List.class)
                .invoke(publisher, "batch", GROUP, instances("10.2.0.", 1));
        Api.await(10, "one withdrawn", "10.2.0.2:8080 10.2.0.3:8080", () -> api.addresses("batch"));
        return "";
    }

    private String subscribe() throws Exception {
        AtomicReference<List<Instance>> pushed = new AtomicReference<>(Collections.emptyList());
        api.publish("subscribe", "10.3.0.9", 8080);
        reader.subscribe("subscribe", event -> pushed.set(((NamingEvent) event).getInstances()));
        Api.await(15, "what is there already", "10.3.0.9:8080", () -> addresses(pushed.get()));

        publisher.registerInstance("subscribe", instance("10.3.0.1", 8080));
        Api.await(8, "an added instance", "10.3.0.1:8080 10.3.0.9:8080", () -> addresses(pushed.get()));

        Instance changed = instance("10.3.0.1", 8080);
        changed.setWeight(5);
        changed.addMetadata("zone", "b");
        publisher.registerInstance("subscribe", changed);
        Api.await(8, "its new weight and metadata", "5.0 b", () -> {
            Instance seen = find(pushed.get(), "10.3.0.1");
            return seen.getWeight() + " " + seen.getMetadata().get("zone");
        });

        publisher.deregisterInstance("subscribe", GROUP, changed);
        Api.await(8, "its removal", "10.3.0.9:8080", () -> addresses(pushed.get()));
        return "";
    }

    private String select() throws Exception {
        api.publish("select", "10.4.0.1", 80, "weight=1");
        api.publish("select", "10.4.0.2", 80, "weight=9");
        api.publish("select", "10.4.0.3", 80, "weight=5", "healthy=false");
        api.publish("select", "10.4.0.4", 80, "weight=0");
        Api.await(5, "the healthy ones with a weight", "10.4.0.1:80 10.4.0.2:80",
                () -> addresses(reader.selectInstances("select", GROUP, true, false)));
        Api.await(5, "the unhealthy one", "10.4.0.3:80",
                () -> addresses(reader.selectInstances("select", GROUP, false, false)));
        // The first call subscribes, the others pick from the cache.
        reader.selectOneHealthyInstance("select", GROUP, true);
        int heavy = 0;
        for (int i = 0; i < 1000; i++) {
            String ip = reader.selectOneHealthyInstance("select", GROUP, true).getIp();
            if (ip.equals("10.4.0.2")) {
                heavy++;
            } else if (!ip.equals("10.4.0.1")) {
                throw new IllegalStateException("picked " + ip);
            }
        }
        if (heavy < 800 || heavy > 980) {
            throw new IllegalStateException("weight 9 of 10 was picked " + heavy + " times of 1000");
        }
        return heavy + " of 1000 picks for weight 9 of 10";
    }

    private String metadata() throws Exception {
        Map<String, String> metadata = new HashMap<>();
        metadata.put("城市", "杭州");
        metadata.put("emoji", "🚀👩‍💻");
        metadata.put("quotes", "a=b&c,\"d\"\\e+f%20 g");
        metadata.put("large", repeat("x", 10_000));
        Instance instance = instance("10.5.0.1", 8080);
        instance.setMetadata(metadata);
        publisher.registerInstance("metadata", instance);
        Api.await(10, "metadata over HTTP", metadata, () -> api.hosts("metadata").get(0).get("metadata"));
        Api.await(10, "metadata through the client", metadata,
                () -> reader.getAllInstances("metadata", GROUP, false).get(0).getMetadata());
        return "";
    }

    private String metadataRefused() throws Exception {
        NamingService client = connect(strictServer, "");
        Instance instance = instance("10.5.0.2", 8080);
        instance.addMetadata("large", repeat("x", 1100));
        try {
            client.registerInstance("refused-java-" + version, instance);
        } catch (NacosException refusal) {
            // Older clients wrap the server's answer.
            String text = refusal.getCause() instanceof NacosException
                    ? ((NacosException) refusal.getCause()).getErrMsg() : refusal.getErrMsg();
            if (!text.contains("1024")) {
                throw new IllegalStateException("the refusal does not name the limit: " + text);
            }
            return text;
        } finally {
            client.shutDown();
        }
        throw new IllegalStateException("1.1 kB of metadata was accepted");
    }

    private String persistent() throws Exception {
        NamingService shortLived = connect(server, "");
        Instance instance = instance("127.0.0.1", 65535);
        instance.setEphemeral(false);
        shortLived.registerInstance("persistent", instance);
        Api.await(10, "a persistent instance", false, () -> api.hosts("persistent").get(0).get("ephemeral"));
        shortLived.shutDown();
        Api.await(10, "it outlives its publisher", "127.0.0.1:65535", () -> all(reader, GROUP, "persistent"));
        publisher.deregisterInstance("persistent", GROUP, instance);
        Api.await(10, "no instance", "", () -> api.addresses("persistent"));
        return "";
    }

    private String groups() throws Exception {
        publisher.registerInstance("groups", "GROUP_A", instance("10.6.0.1", 8080));
        publisher.registerInstance("groups", "GROUP_B", instance("10.6.0.2", 8080));
        Api.await(10, "the first group", "10.6.0.1:8080", () -> all(reader, "GROUP_A", "groups"));
        Api.await(10, "the second group", "10.6.0.2:8080", () -> all(reader, "GROUP_B", "groups"));
        Api.await(10, "over HTTP", "10.6.0.2:8080", () -> api.addresses("public", "GROUP_B", "groups"));
        return "";
    }

    private String namespaces() throws Exception {
        NamingService blue = connect(server, "blue");
        try {
            blue.registerInstance("namespaces", instance("10.6.1.1", 8080));
            publisher.registerInstance("namespaces", instance("10.6.1.2", 8080));
            Api.await(10, "the named one", "10.6.1.1:8080", () -> all(blue, GROUP, "namespaces"));
            Api.await(10, "the default one", "10.6.1.2:8080", () -> all(reader, GROUP, "namespaces"));
            Api.await(10, "over HTTP", "10.6.1.1:8080", () -> api.addresses("blue", GROUP, "namespaces"));
        } finally {
            blue.shutDown();
        }
        return "";
    }

    private String clusters() throws Exception {
        api.publish("clusters", "10.7.0.1", 80, "clusterName=east");
        api.publish("clusters", "10.7.0.2", 80, "clusterName=west");
        Api.await(10, "both", "10.7.0.1:80 10.7.0.2:80", () -> all(reader, GROUP, "clusters"));
        for (boolean subscribed : new boolean[] {false, true}) {
            Api.await(10, "one cluster, subscribed " + subscribed, "10.7.0.2:80",
                    () -> addresses(reader.getAllInstances("clusters", GROUP, Collections.singletonList("west"), subscribed)));
        }
        publisher.registerInstance("clusters", GROUP, "10.7.0.3", 80, "west");
        Api.await(10, "the cluster of an instance", "10.7.0.2:80 10.7.0.3:80",
                () -> addresses(reader.getAllInstances("clusters", GROUP, Collections.singletonList("west"), true)));
        return "";
    }

    private String services() throws Exception {
        for (String name : new String[] {"listed-a", "listed-b", "listed-c"}) {
            api.publish(name, "10.8.0.1", 80, "groupName=LISTED");
        }
        Api.await(5, "three services", 3, () -> reader.getServicesOfServer(1, 2, "LISTED").getCount());
        TreeSet<String> names = new TreeSet<>(reader.getServicesOfServer(1, 2, "LISTED").getData());
        names.addAll(reader.getServicesOfServer(2, 2, "LISTED").getData());
        if (!names.equals(new TreeSet<>(Arrays.asList("listed-a", "listed-b", "listed-c")))) {
            throw new IllegalStateException("two pages hold " + names);
        }
        return "";
    }

    private String thousand() throws Exception {
        AtomicReference<List<Instance>> pushed = new AtomicReference<>(Collections.emptyList());
        List<Instance> instances = instances("10.9.", 1000);
        reader.subscribe("thousand", event -> pushed.set(((NamingEvent) event).getInstances()));
        String way;
        if (canBatch()) {
            way = "one batch";
            batchRegister("thousand", instances);
        } else if (version.startsWith("1.")) {
            way = "one by one";
            ExecutorService pool = Executors.newFixedThreadPool(8);
            List<Future<?>> calls = new ArrayList<>();
            for (Instance instance : instances) {
                calls.add(pool.submit(() -> {
                    publisher.registerInstance("thousand", instance);
                    return null;
                }));
            }
            for (Future<?> call : calls) {
                call.get();
            }
            pool.shutdown();
        } else {
            // This client publishes one instance per service and connection.
            way = "published over HTTP";
            for (Instance instance : instances) {
                api.publish("thousand", instance.getIp(), instance.getPort());
            }
        }
        Api.await(20, "a thousand over HTTP", 1000, () -> api.hosts("thousand").size());
        Api.await(20, "a thousand pushed", 1000, () -> pushed.get().size());
        if (version.startsWith("1.")) {
            // A thousand beats every five seconds would be heard by the scenarios that follow.
            for (Instance instance : instances) {
                publisher.deregisterInstance("thousand", GROUP, instance);
            }
        }
        return way;
    }

    private String fuzzyWatch() throws Exception {
        api.publish("fuzzy-old", "10.10.0.1", 80, "groupName=FUZZY");
        AtomicReference<TreeSet<String>> events = new AtomicReference<>(new TreeSet<>());
        Class.forName("Fuzzy").getMethod("watch", NamingService.class, String.class, AtomicReference.class)
                .invoke(null, reader, "FUZZY", events);
        Api.until(10, "the service that is there", () -> events.get().contains("ADD_SERVICE fuzzy-old"));
        Instance instance = instance("10.10.0.2", 80);
        publisher.registerInstance("fuzzy-new", "FUZZY", instance);
        Api.until(10, "a new service", () -> events.get().contains("ADD_SERVICE fuzzy-new"));
        return events.get().toString();
    }

    private String restart() throws Exception {
        AtomicReference<List<Instance>> pushed = new AtomicReference<>(Collections.emptyList());
        reader.subscribe("restart", event -> pushed.set(((NamingEvent) event).getInstances()));
        publisher.registerInstance("restart", instance("10.11.0.1", 80));
        if (canBatch()) {
            batchRegister("restart-batch", instances("10.11.1.", 3));
        }
        Api.await(15, "the instance is pushed", "10.11.0.1:80", () -> addresses(pushed.get()));

        Runner.ask("restart");

        long restartedAt = System.nanoTime();
        Api.await(60, "the instance is back", "10.11.0.1:80", () -> api.addresses("restart"));
        if (canBatch()) {
            Api.await(30, "the batch is back", 3, () -> api.hosts("restart-batch").size());
        }
        long backMs = (System.nanoTime() - restartedAt) / 1_000_000;
        api.publish("restart", "10.11.0.2", 80);
        Api.await(30, "pushes go on", "10.11.0.1:80 10.11.0.2:80", () -> addresses(pushed.get()));
        return "back after " + backMs + " ms";
    }

    private static NamingService connect(String server, String namespace) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("serverAddr", server);
        properties.setProperty("namespace", namespace);
        return NacosFactory.createNamingService(properties);
    }

    private static boolean canBatch() {
        return Arrays.stream(NamingService.class.getMethods()).anyMatch(m -> m.getName().equals("batchRegisterInstance"));
    }

    /** Looked up by name because clients before 2.1.1 do not have it. */
    private void batchRegister(String service, List<Instance> instances) throws Exception {
        NamingService.class.getMethod("batchRegisterInstance", String.class, String.class, List.class)
                .invoke(publisher, service, GROUP, instances);
    }

    private static String all(NamingService client, String group, String service) throws Exception {
        return addresses(client.getAllInstances(service, group, false));
    }

    private static String addresses(List<Instance> instances) {
        TreeSet<String> found = new TreeSet<>();
        for (Instance instance : instances) {
            found.add(instance.getIp() + ":" + instance.getPort());
        }
        return String.join(" ", found);
    }

    private static Instance find(List<Instance> instances, String ip) {
        return instances.stream().filter(i -> i.getIp().equals(ip)).findAny().orElseThrow();
    }

    private static Instance instance(String ip, int port) {
        Instance instance = new Instance();
        instance.setIp(ip);
        instance.setPort(port);
        return instance;
    }

    /** {@code prefix} ends either in the third octet ({@code 10.2.0.}) or in the second, for more than 250 instances. */
    private static List<Instance> instances(String prefix, int count) {
        List<Instance> made = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            made.add(instance(prefix + (count > 250 ? i / 250 + "." + (i % 250 + 1) : i), 8080));
        }
        return made;
    }

    private static String repeat(String text, int times) {
        return String.join("", Collections.nCopies(times, text));
    }
}
