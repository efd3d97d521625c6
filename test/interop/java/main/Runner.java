import com.alibaba.nacos.common.utils.JacksonUtils;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** The runner of this program, which does things from outside when it is asked on standard output. */
final class Runner {

    private static final BufferedReader ANSWERS =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    /** Not as the locale has it. */
    private static final PrintStream LINES = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private Runner() {
    }

    static synchronized void say(Map<String, Object> line) {
        LINES.println(JacksonUtils.toJson(line));
    }

    /** {@code fields}: names and values in turn. */
    static Map<String, Object> ask(String what, Object... fields) throws IOException {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("ask", what);
        for (int i = 0; i < fields.length; i += 2) {
            line.put((String) fields[i], fields[i + 1]);
        }
        say(line);
        @SuppressWarnings("unchecked")
        Map<String, Object> answer = JacksonUtils.toObj(ANSWERS.readLine(), Map.class);
        if (answer.containsKey("error")) {
            throw new IllegalStateException(what + ": " + answer.get("error"));
        }
        return answer;
    }
}
