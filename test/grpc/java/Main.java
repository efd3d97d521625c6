import io.grpc.CallOptions;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Runs scenarios with grpc-java on Netty: {@code Main <plain> <tls> <gzip> <pings> <ca file> <name>...}, where the
 * servers are {@code host:port}. Prints {@code ok NAME} or {@code not ok NAME reason} for each.
 */
public final class Main {
    private interface Scenario {
        void run(Echo echo) throws Exception;
    }

    private static final int PINGS_MIN = 5;
    private static final int KEEPALIVE_MS = 200;
    private static final String TEXT = "Dienst „größe“ 城市 🚀 100% + a=b\nnächste Zeile";
    private static final Metadata.Key<String> TEXT_KEY = Metadata.Key.of("x-text", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<byte[]> DATA_KEY =
            Metadata.Key.of("x-data-bin", Metadata.BINARY_BYTE_MARSHALLER);

    private final String plain;
    private final String tls;
    private final String gzip;
    private final String pings;
    private final String caFile;
    private final Map<String, Scenario> scenarios = new LinkedHashMap<>();

    private Main(String[] args) {
        plain = args[0];
        tls = args[1];
        gzip = args[2];
        pings = args[3];
        caFile = args[4];
        scenarios.put("unary", this::unary);
        scenarios.put("concurrent", this::concurrent);
        scenarios.put("server-stream", this::serverStream);
        scenarios.put("client-stream", this::clientStream);
        scenarios.put("bidi", echo -> bidi(echo, 500));
        scenarios.put("large", this::large);
        scenarios.put("deadline", this::deadline);
        scenarios.put("cancel", this::cancel);
        scenarios.put("metadata", this::metadata);
        scenarios.put("status", this::status);
        scenarios.put("unimplemented", this::unimplemented);
        scenarios.put("too-large", this::tooLarge);
        scenarios.put("goaway", this::goaway);
        scenarios.put("keepalive", this::keepalive);
        scenarios.put("tls", this::overTls);
        scenarios.put("gzip-refused", this::gzipRefused);
        scenarios.put("gzip", this::gzipTaken);
    }

    public static void main(String[] args) {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        Main main = new Main(args);
        for (String name : Arrays.asList(args).subList(5, args.length)) {
            try (Echo echo = new Echo(Echo.builder(main.plain).usePlaintext())) {
                main.scenarios.get(name).run(echo);
                out.println("ok " + name);
            } catch (Throwable failure) {
                out.println("not ok " + name + " " + failure.toString().replaceAll("\\s+", " "));
            }
        }
        System.exit(0);
    }

    private void unary(Echo echo) {
        Check.equal("hello", echo.text("Echo", "hello"));
        Check.equal("", echo.text("Echo", ""));
    }

    private void concurrent(Echo echo) throws Exception {
        MethodDescriptor<byte[], byte[]> method = Echo.method(MethodDescriptor.MethodType.UNARY, "Echo");
        List<Future<byte[]>> answers = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            var call = echo.channel.newCall(method, CallOptions.DEFAULT);
            answers.add(ClientCalls.futureUnaryCall(call, Echo.bytes("call " + i)));
        }
        for (int i = 0; i < 200; i++) {
            Check.equal("call " + i, Echo.string(answers.get(i).get(Echo.CALL_MAX_S, TimeUnit.SECONDS)));
        }
    }

    private void serverStream(Echo echo) throws Exception {
        Echo.Stream call = echo.stream("ServerStream");
        call.send(Echo.bytes("1000 100"));
        for (int i = 0; i < 1000; i++) {
            String number = Integer.toString(i);
            Check.equal(number + ".".repeat(100 - number.length()), call.nextText());
        }
        call.end();
    }

    private void clientStream(Echo echo) throws Exception {
        Echo.Stream call = echo.stream("ClientStream");
        for (int i = 0; i < 1000; i++) call.send(new byte[1000]);
        call.halfClose();
        Check.equal("1000 1000000", call.nextText());
    }

    private void bidi(Echo echo, int rounds) throws Exception {
        Echo.Stream call = echo.stream("Bidi");
        for (int i = 0; i < rounds; i++) call.exchange("message " + i);
        call.end();
    }

    private void large(Echo echo) {
        byte[] sent = new byte[4_000_000];
        for (int i = 0; i < sent.length; i++) sent[i] = (byte) (i % 251);
        Check.that(Arrays.equals(sent, echo.unary("Echo", sent)), "other bytes came back");
    }

    private void deadline(Echo echo) throws Exception {
        String name = "java deadline";
        CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(200, TimeUnit.MILLISECONDS);
        Check.fails(Status.Code.DEADLINE_EXCEEDED, () -> echo.unary("Hang", Echo.bytes(name), options));
        // Whichever comes first: the reset of the client or the server's own clock.
        Check.eventually(() -> List.of("1 0 0", "0 1 0").contains(echo.text("Ended", name)));
    }

    private void cancel(Echo echo) throws Exception {
        String name = "java-cancel";
        Echo.Stream call = echo.stream("ServerStream");
        call.send(Echo.bytes("1000000 1000 " + name));
        for (int i = 0; i < 10; i++) call.nextText();
        call.cancel();
        Object next = call.next();
        while (next instanceof byte[]) next = call.next();
        Check.that(next instanceof Status status && status.getCode() == Status.Code.CANCELLED, "got " + next);
        Check.eventually(() -> echo.text("Ended", name).equals("1 0 0"));
    }

    private void metadata(Echo echo) {
        byte[] all = new byte[256];
        for (int i = 0; i < all.length; i++) all[i] = (byte) i;
        Metadata sent = new Metadata();
        sent.put(TEXT_KEY, "some text, with a comma");
        sent.put(DATA_KEY, all);
        sent.put(DATA_KEY, new byte[] {0, 44, (byte) 255});
        AtomicReference<Metadata> initial = new AtomicReference<>();
        AtomicReference<Metadata> trailing = new AtomicReference<>();
        echo.unary(
                "Meta",
                Echo.bytes("m"),
                CallOptions.DEFAULT.withDeadlineAfter(Echo.CALL_MAX_S, TimeUnit.SECONDS),
                MetadataUtils.newAttachHeadersInterceptor(sent),
                MetadataUtils.newCaptureMetadataInterceptor(initial, trailing));
        for (Metadata got : List.of(initial.get(), trailing.get())) {
            Check.equal(shown(sent), shown(got));
        }
    }

    private static String shown(Metadata metadata) {
        List<String> values = new ArrayList<>();
        if (metadata.containsKey(TEXT_KEY)) metadata.getAll(TEXT_KEY).forEach(values::add);
        if (metadata.containsKey(DATA_KEY)) metadata.getAll(DATA_KEY).forEach(each -> values.add(Arrays.toString(each)));
        return values.toString();
    }

    private void status(Echo echo) throws Exception {
        Status status = Check.fails(Status.Code.NOT_FOUND, () -> echo.text("Fail", "5 " + TEXT));
        Check.equal(TEXT, status.getDescription());
    }

    private void unimplemented(Echo echo) throws Exception {
        Check.fails(Status.Code.UNIMPLEMENTED, () -> echo.text("Missing", ""));
        Check.fails(Status.Code.UNIMPLEMENTED, () -> echo.text("nacre.test.Nobody/Echo", ""));
    }

    private void tooLarge(Echo echo) throws Exception {
        String port = echo.text("Port", "");
        Check.fails(Status.Code.RESOURCE_EXHAUSTED, () -> echo.unary("Echo", new byte[6_000_000]));
        Check.equal(port, echo.text("Port", ""));
    }

    private void goaway(Echo echo) throws Exception {
        String port = echo.text("Port", "");
        Echo.Stream call = echo.stream("Bidi");
        call.exchange("before");
        Check.equal(port, echo.text("Drain", ""));
        Check.that(!port.equals(echo.text("Port", "")), "the same connection");
        for (int i = 0; i < 10; i++) call.exchange("after " + i);
        call.end();
    }

    private void keepalive(Echo echo) throws Exception {
        NettyChannelBuilder builder =
                Echo.builder(pings).usePlaintext().keepAliveTime(10, TimeUnit.SECONDS).keepAliveTimeout(5, TimeUnit.SECONDS);
        // The library makes anything shorter 10 seconds, which is too long to wait for.
        var time = NettyChannelBuilder.class.getDeclaredField("keepAliveTimeNanos");
        time.setAccessible(true);
        time.setLong(builder, TimeUnit.MILLISECONDS.toNanos(KEEPALIVE_MS));
        try (Echo quiet = new Echo(builder)) {
            Echo.Stream call = quiet.stream("Bidi");
            call.exchange("before");
            int before = Integer.parseInt(echo.text("Pings", ""));
            Check.eventually(() -> Integer.parseInt(echo.text("Pings", "")) >= before + PINGS_MIN);
            call.exchange("after");
            call.end();
        }
    }

    private void overTls(Echo plainEcho) throws Exception {
        var context = GrpcSslContexts.forClient().trustManager(new File(caFile)).build();
        try (Echo echo = new Echo(Echo.builder(tls).sslContext(context))) {
            Check.equal("hello", echo.text("Echo", "hello"));
            large(echo);
            bidi(echo, 100);
        }
    }

    private void gzipRefused(Echo echo) throws Exception {
        CallOptions options = CallOptions.DEFAULT.withCompression("gzip");
        Check.fails(Status.Code.UNIMPLEMENTED, () -> echo.unary("Echo", new byte[100_000], options));
        Check.equal("hello", echo.text("Echo", "hello"));
    }

    private void gzipTaken(Echo plainEcho) {
        byte[] sent = new byte[100_000];
        try (Echo echo = new Echo(Echo.builder(gzip).usePlaintext())) {
            byte[] got = echo.unary("Echo", sent, CallOptions.DEFAULT.withCompression("gzip"));
            Check.that(Arrays.equals(sent, got), "other bytes came back");
        }
    }
}
