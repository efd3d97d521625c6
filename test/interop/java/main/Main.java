import com.alibaba.nacos.common.utils.JacksonUtils;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs scenarios with one version of the Java client: {@code Main <client version> <server> <strict server> <name>...}.
 * Prints one JSON line per scenario. {@code {"ask":"restart"}} asks the runner to kill and restart the server; the line
 * {@code restarted} on standard input says that it has.
 */
public final class Main {

    private Main() {
    }

    public static void main(String[] args) throws Exception {
        Scenarios scenarios = new Scenarios(args[0], args[1], args[2]);
        List<String> names = Arrays.asList(args).subList(3, args.length);
        for (String name : names) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("name", name);
            try {
                line.put("ok", true);
                line.put("detail", scenarios.run(name));
            } catch (Throwable failure) {
                line.put("ok", false);
                line.put("detail", String.valueOf(failure));
                failure.printStackTrace();
            }
            System.out.println(JacksonUtils.toJson(line));
        }
        // The clients keep threads that are not daemons.
        System.exit(0);
    }
}
