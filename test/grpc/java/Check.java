import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Objects;
import java.util.concurrent.Callable;

final class Check {
    private static final int EVENTUALLY_MS = 10_000;
    private static final int POLL_MS = 10;

    private Check() {}

    static void that(boolean condition, String otherwise) {
        if (!condition) throw new AssertionError(otherwise);
    }

    static void equal(Object expected, Object actual) {
        that(Objects.equals(expected, actual), "want <" + expected + ">, got <" + actual + ">");
    }

    static Status fails(Status.Code code, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (StatusRuntimeException failure) {
            that(failure.getStatus().getCode() == code, "want " + code + ", got " + failure.getStatus());
            return failure.getStatus();
        }
        throw new AssertionError("want " + code + ", but the call succeeded");
    }

    static void eventually(Callable<Boolean> condition) throws Exception {
        long giveUpAt = System.nanoTime() + EVENTUALLY_MS * 1_000_000L;
        while (!condition.call()) {
            that(System.nanoTime() < giveUpAt, "not within " + EVENTUALLY_MS + " ms");
            Thread.sleep(POLL_MS);
        }
    }
}
