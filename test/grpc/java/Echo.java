import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** One channel with a connection of its own; messages are bytes as they are. */
final class Echo implements AutoCloseable {
    static final String SERVICE = "nacre.test.Echo";
    static final int CALL_MAX_S = 20;

    private static final MethodDescriptor.Marshaller<byte[]> RAW =
            new MethodDescriptor.Marshaller<>() {
                @Override
                public InputStream stream(byte[] value) {
                    return new ByteArrayInputStream(value);
                }

                @Override
                public byte[] parse(InputStream stream) {
                    try {
                        return stream.readAllBytes();
                    } catch (IOException failure) {
                        throw new UncheckedIOException(failure);
                    }
                }
            };

    final ManagedChannel channel;

    Echo(NettyChannelBuilder builder) {
        channel = builder.build();
    }

    static NettyChannelBuilder builder(String address) {
        return NettyChannelBuilder.forTarget(address);
    }

    static MethodDescriptor<byte[], byte[]> method(MethodDescriptor.MethodType type, String method) {
        String name = method.contains("/") ? method : SERVICE + "/" + method;
        return MethodDescriptor.<byte[], byte[]>newBuilder(RAW, RAW).setType(type).setFullMethodName(name).build();
    }

    byte[] unary(String method, byte[] message) {
        return unary(method, message, CallOptions.DEFAULT.withDeadlineAfter(CALL_MAX_S, TimeUnit.SECONDS));
    }

    byte[] unary(String method, byte[] message, CallOptions options, ClientInterceptor... interceptors) {
        Channel intercepted = io.grpc.ClientInterceptors.intercept(channel, interceptors);
        return ClientCalls.blockingUnaryCall(
                intercepted, method(MethodDescriptor.MethodType.UNARY, method), options, message);
    }

    String text(String method, String message) {
        return string(unary(method, bytes(message)));
    }

    Stream stream(String method) {
        return new Stream(
                channel.newCall(method(MethodDescriptor.MethodType.BIDI_STREAMING, method), CallOptions.DEFAULT));
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String string(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Any kind of call as two streams. One message is asked for at a time. */
    static final class Stream extends ClientCall.Listener<byte[]> {
        private final ClientCall<byte[], byte[]> call;
        /** Messages, then the status. */
        private final BlockingQueue<Object> heard = new LinkedBlockingQueue<>();

        Stream(ClientCall<byte[], byte[]> call) {
            this.call = call;
            call.start(this, new Metadata());
            call.request(1);
        }

        @Override
        public void onMessage(byte[] message) {
            heard.add(message);
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            heard.add(status);
        }

        void send(byte[] message) {
            call.sendMessage(message);
        }

        /** The next message, or the status at the end. */
        Object next() throws InterruptedException {
            Object next = heard.poll(CALL_MAX_S, TimeUnit.SECONDS);
            if (next instanceof byte[]) call.request(1);
            return next;
        }

        String nextText() throws InterruptedException {
            Object next = next();
            if (next instanceof byte[] message) return string(message);
            throw new AssertionError("want a message, got " + next);
        }

        void exchange(String text) throws InterruptedException {
            send(bytes(text));
            Check.equal(text, nextText());
        }

        void cancel() {
            call.cancel("enough", null);
        }

        void halfClose() {
            call.halfClose();
        }

        void end() throws InterruptedException {
            halfClose();
            Object next = next();
            Check.that(next instanceof Status status && status.isOk(), "want the end, got " + next);
        }
    }
}
