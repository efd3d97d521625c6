import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.Listener;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.common.utils.JacksonUtils;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;

/**
 * An application that does what it is told on standard input for as long as that is open, with the addresses of a whole
 * cluster: see test/cluster/lib/driver.ts.
 */
final class Drive {

    private static final String GROUP = "DEFAULT_GROUP";

    private final String addresses;

    private final NamingService naming;

    /** Made when it is needed. */
    private ConfigService configs;

    private Drive(String addresses) throws Exception {
        this.addresses = addresses;
        naming = NacosFactory.createNamingService(addresses);
    }

    static void run(String addresses) throws Exception {
        Drive drive = new Drive(addresses);
        say("ready", true);
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = orders.readLine(); line != null; line = orders.readLine()) {
            @SuppressWarnings("unchecked")
            Map<String, Object> order = JacksonUtils.toObj(line, Map.class);
            try {
                drive.follow(order);
                say("done", order.get("id"));
            } catch (Throwable failure) {
                say("done", order.get("id"), "error", String.valueOf(failure));
            }
        }
    }

    private void follow(Map<String, Object> order) throws Exception {
        String service = (String) order.get("service");
        switch ((String) order.get("do")) {
            case "register":
                naming.registerInstance(service, instance(order));
                break;
            case "deregister":
                naming.deregisterInstance(service, GROUP, instance(order));
                break;
            case "subscribe":
                naming.subscribe(service, event -> show(service, ((NamingEvent) event).getInstances()));
                break;
            case "publish":
                if (!configs().publishConfig((String) order.get("dataId"), GROUP, (String) order.get("content"))) {
                    throw new IllegalStateException("the publish was not accepted");
                }
                break;
            case "listen":
                listen((String) order.get("dataId"));
                break;
            default:
                throw new IllegalArgumentException("nobody knows how to " + order.get("do"));
        }
    }

    private ConfigService configs() throws Exception {
        if (configs == null) {
            configs = NacosFactory.createConfigService(addresses);
        }
        return configs;
    }

    private void listen(String dataId) throws Exception {
        configs().addListener(dataId, GROUP, new Listener() {
            @Override
            public Executor getExecutor() {
                return null;
            }

            @Override
            public void receiveConfigInfo(String content) {
                say("dataId", dataId, "content", content);
            }
        });
    }

    private static Instance instance(Map<String, Object> order) {
        Instance instance = new Instance();
        instance.setIp((String) order.get("ip"));
        instance.setPort((Integer) order.get("port"));
        return instance;
    }

    private static void show(String service, List<Instance> instances) {
        List<Map<String, Object>> hosts = new ArrayList<>();
        for (Instance instance : instances) {
            Map<String, Object> host = new LinkedHashMap<>();
            host.put("address", instance.getIp() + ":" + instance.getPort());
            host.put("healthy", instance.isHealthy());
            hosts.add(host);
        }
        say("service", service, "hosts", hosts);
    }

    /** {@code fields}: names and values in turn. */
    private static void say(Object... fields) {
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < fields.length; i += 2) {
            line.put((String) fields[i], fields[i + 1]);
        }
        Runner.say(line);
    }
}
