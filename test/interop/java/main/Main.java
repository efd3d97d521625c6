import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs scenarios with one version of the Java client: {@code Main <client version> <server> <strict server> <name>...}.
 * Prints one JSON line per scenario. A line {@code {"ask":…}} asks the runner for something, which it answers with a line
 * on standard input. {@code Main <client version> drive <addresses>} is told what to do instead.
 */
public final class Main {

    private Main() {
    }

    public static void main(String[] args) throws Exception {
        if (args[1].equals("drive")) {
            Drive.run(args[2]);
            System.exit(0);
        }
        Scenarios naming = null;
        Configs configs = null;
        List<String> names = Arrays.asList(args).subList(3, args.length);
        for (String name : names) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("name", name);
            try {
                line.put("ok", true);
                if (name.startsWith("config-")) {
                    configs = configs == null ? new Configs(args[0], args[1]) : configs;
                    line.put("detail", configs.run(name));
                } else {
                    naming = naming == null ? new Scenarios(args[0], args[1], args[2]) : naming;
                    line.put("detail", naming.run(name));
                }
            } catch (Throwable failure) {
                line.put("ok", false);
                line.put("detail", String.valueOf(failure));
                failure.printStackTrace();
            }
            Runner.say(line);
        }
        // The clients keep threads that are not daemons.
        System.exit(0);
    }
}
