import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.AbstractFuzzyWatchEventWatcher;
import com.alibaba.nacos.api.naming.listener.FuzzyWatchChangeEvent;

import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;

/** Apart from the rest because only clients from 3.0 on have it. */
public final class Fuzzy {

    private Fuzzy() {
    }

    public static void watch(NamingService client, String group, AtomicReference<TreeSet<String>> events) throws Exception {
        client.fuzzyWatch("fuzzy-*", group, new AbstractFuzzyWatchEventWatcher() {
            @Override
            public void onEvent(FuzzyWatchChangeEvent event) {
                events.updateAndGet(held -> {
                    TreeSet<String> more = new TreeSet<>(held);
                    more.add(event.getChangeType() + " " + event.getServiceName());
                    return more;
                });
            }
        });
    }
}
