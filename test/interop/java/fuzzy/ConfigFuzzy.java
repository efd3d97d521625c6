import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.AbstractFuzzyWatchEventWatcher;
import com.alibaba.nacos.api.config.listener.ConfigFuzzyWatchChangeEvent;

import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;

/** Apart from the rest because only clients from 3.0 on have it. */
public final class ConfigFuzzy {

    private ConfigFuzzy() {
    }

    public static void watch(ConfigService client, String group, AtomicReference<TreeSet<String>> events) throws Exception {
        client.fuzzyWatch("fuzzy-*", group, new AbstractFuzzyWatchEventWatcher() {
            @Override
            public void onEvent(ConfigFuzzyWatchChangeEvent event) {
                events.updateAndGet(held -> {
                    TreeSet<String> more = new TreeSet<>(held);
                    more.add(event.getChangedType() + " " + event.getDataId());
                    return more;
                });
            }
        });
    }
}
