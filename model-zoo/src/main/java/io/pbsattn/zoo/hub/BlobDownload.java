package io.pbsattn.zoo.hub;

import ai.djl.util.Hex;
import io.pbsattn.zoo.checkpoint.Checkpoint;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.function.LongConsumer;

/**
 * The download of one file. Several ranges are fetched at the same time, but written one after the
 * other: what is on the disk is always the beginning of the file, so its length says where to go
 * on. Only when all is there and its checksum is right does the file get its name.
 */
final class BlobDownload {

    /** What a checksum looks like: a SHA-256, or the SHA-1 that git gives. */
    static final String DIGEST = "[0-9a-fA-F]{64}|[0-9a-fA-F]{40}";

    private static final int SHA256_DIGITS = 64;

    private final HubHttp http;
    private final Retry retry;
    private final ExecutorService executor;
    private final int connections;
    private final int chunkBytes;
    private final String what;
    private final HubFile file;
    private final Path blob;
    private final Path part;

    /** Where the file was found at last; redirects lead there, until they lapse. */
    private volatile URI source;

    /**
     * Constructs a download.
     *
     * @param executor runs the fetches of ranges
     * @param connections ranges that are fetched at the same time
     * @param chunkBytes the size of a range; so much memory is used for each connection
     * @param what is downloaded, for messages
     * @param blob the file to be made
     */
    BlobDownload(
            HubHttp http,
            Retry retry,
            ExecutorService executor,
            int connections,
            int chunkBytes,
            String what,
            HubFile file,
            Path blob) {
        this.http = http;
        this.retry = retry;
        this.executor = executor;
        this.connections = connections;
        this.chunkBytes = chunkBytes;
        this.what = what;
        this.file = file;
        this.blob = blob;
        part = partOf(blob);
        source = file.url();
    }

    /**
     * The file that a download writes to. huggingface_hub gives its own downloads other names: the
     * two do not honour each other's locks, and must not write into one file.
     */
    private static Path partOf(Path blob) {
        return blob.resolveSibling(blob.getFileName() + ".pbs-attn.incomplete");
    }

    /** The bytes of a blob that an earlier download has left. */
    static long bytesDone(Path blob, long size) throws IOException {
        Path part = partOf(blob);
        long bytes = Files.exists(part) ? Files.size(part) : 0;
        return bytes > size ? 0 : bytes;
    }

    /**
     * Downloads what is missing.
     *
     * @param progress hears of bytes that were written
     * @throws HubException if the file cannot be had whole; what there is stays for the next time,
     *     unless its checksum is wrong
     */
    void run(LongConsumer progress) throws IOException {
        Files.createDirectories(blob.getParent());
        try (FileChannel channel =
                FileChannel.open(
                        part,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            channel.truncate(bytesDone(blob, file.bytes()));
            channel.position(channel.size());
            Writer writer = new Writer(channel, progress);
            try {
                fetchRanges(writer);
            } catch (RangesIgnoredException e) {
                fetchWhole(writer);
            }
            channel.force(true);
        }
        checkContent();
        Files.move(part, blob, StandardCopyOption.ATOMIC_MOVE);
    }

    private void fetchRanges(Writer writer) throws IOException {
        Deque<Future<Chunk>> running = new ArrayDeque<>();
        try {
            long next = writer.position();
            while (next < file.bytes() || !running.isEmpty()) {
                while (next < file.bytes() && running.size() < connections) {
                    int length = (int) Math.min(chunkBytes, file.bytes() - next);
                    Chunk chunk = new Chunk(next, length);
                    running.add(executor.submit(() -> fetch(chunk)));
                    next += length;
                }
                Chunk chunk = await(running.remove());
                writer.write(chunk.bytes, chunk.filled);
            }
        } finally {
            running.forEach(future -> future.cancel(true));
        }
    }

    private static Chunk await(Future<Chunk> future) throws IOException {
        try {
            return future.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            InterruptedIOException interrupted = new InterruptedIOException("interrupted");
            interrupted.initCause(e);
            throw interrupted;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException io) {
                throw io;
            }
            throw new IllegalStateException(e.getCause());
        }
    }

    private Chunk fetch(Chunk chunk) throws IOException {
        return retry.run(
                what,
                Retry.ATTEMPTS,
                () -> {
                    long first = chunk.start + chunk.filled;
                    long last = chunk.start + chunk.bytes.length - 1;
                    boolean isWhole = first == 0 && last == file.bytes() - 1;
                    get(
                            isWhole ? null : "bytes=" + first + "-" + last,
                            (response, bytes) -> {
                                if (isWhole) {
                                    checkLength(response);
                                } else {
                                    checkRange(response, first);
                                }
                                chunk.add(bytes);
                            });
                    if (chunk.filled < chunk.bytes.length) {
                        throw new EOFException(
                                "ended after " + chunk.filled + " of " + chunk.bytes.length);
                    }
                    return chunk;
                });
    }

    /** For servers that know no ranges: the whole file, from its beginning at each attempt. */
    private void fetchWhole(Writer writer) throws IOException {
        retry.run(
                what,
                Retry.ATTEMPTS,
                () -> {
                    writer.restart();
                    get(
                            null,
                            (response, bytes) -> {
                                checkLength(response);
                                writer.write(bytes, bytes.length);
                            });
                    if (writer.position() < file.bytes()) {
                        throw new EOFException("ended after " + writer.position() + " bytes");
                    }
                    return null;
                });
    }

    private void get(String range, BodyReceiver.Sink sink) throws IOException {
        URI from = source;
        try {
            URI found = http.get(what, from, range, sink);
            // One that others still end on may have lapsed: only a fresh answer counts.
            if (from.equals(file.url())) {
                source = found;
            }
        } catch (HubStatusException e) {
            if (from.equals(file.url())) {
                throw e;
            }
            // Where redirects lead to is good for some minutes only.
            source = file.url();
            throw new IOException(e.getMessage(), e);
        }
    }

    private void checkLength(HttpResponse.ResponseInfo response) throws IOException {
        long length = response.headers().firstValueAsLong("Content-Length").orElse(file.bytes());
        if (length != file.bytes()) {
            throw new HubException(
                    what + ": expected " + file.bytes() + " bytes, but " + length + " are sent");
        }
    }

    private void checkRange(HttpResponse.ResponseInfo response, long first) throws IOException {
        if (response.statusCode() == 200) {
            throw new RangesIgnoredException(what);
        }
        String range = response.headers().firstValue("Content-Range").orElse("");
        boolean isAsked = range.startsWith("bytes " + first + "-");
        if (!isAsked || !range.endsWith("/" + file.bytes())) {
            throw new HubException(
                    what
                            + ": expected bytes from "
                            + first
                            + " of "
                            + file.bytes()
                            + ", found '"
                            + range
                            + "'");
        }
    }

    private void checkContent() throws IOException {
        if (!file.digest().matches(DIGEST)) {
            checkForm();
            return;
        }
        MessageDigest digest;
        try {
            if (file.digest().length() == SHA256_DIGITS) {
                digest = MessageDigest.getInstance("SHA-256");
            } else {
                // git's name of a file's content
                digest = MessageDigest.getInstance("SHA-1");
                String header = "blob " + file.bytes() + '\0';
                digest.update(header.getBytes(StandardCharsets.US_ASCII));
            }
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
        // From the disk, not from what was sent: it is the file that has to be right.
        byte[] buffer = new byte[1 << 20];
        try (InputStream in = Files.newInputStream(part)) {
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                digest.update(buffer, 0, n);
            }
        }
        String found = Hex.toHexString(digest.digest());
        if (!found.equalsIgnoreCase(file.digest())) {
            Files.delete(part);
            throw new HubException(
                    what
                            + ": wrong checksum, expected "
                            + file.digest()
                            + ", found "
                            + found
                            + "; the download was removed");
        }
    }

    /** Without a checksum, what can be told is whether a file is whole by its own form. */
    private void checkForm() throws IOException {
        try {
            if (file.name().endsWith(".safetensors")) {
                Checkpoint.check(part);
            } else if (file.name().endsWith(".json")) {
                JsonFile.read(part);
            }
        } catch (CheckpointException e) {
            Files.delete(part);
            throw new HubException(
                    what + ": not whole: " + e.getMessage() + "; the download was removed", e);
        }
    }

    /** A range in memory. */
    private static final class Chunk {

        private final long start;
        private final byte[] bytes;
        private int filled;

        Chunk(long start, int length) {
            this.start = start;
            bytes = new byte[length];
        }

        void add(byte[] more) throws IOException {
            if (more.length > bytes.length - filled) {
                throw new IOException("more than the " + bytes.length + " bytes that were asked");
            }
            System.arraycopy(more, 0, bytes, filled, more.length);
            filled += more.length;
        }
    }

    /** The file on the disk, written from front to back. */
    private final class Writer {

        private final FileChannel channel;
        private final LongConsumer progress;

        Writer(FileChannel channel, LongConsumer progress) {
            this.channel = channel;
            this.progress = progress;
        }

        long position() throws IOException {
            return channel.position();
        }

        void restart() throws IOException {
            progress.accept(-channel.position());
            channel.truncate(0);
        }

        void write(byte[] bytes, int length) throws IOException {
            if (channel.position() + length > file.bytes()) {
                throw new IOException("more than the " + file.bytes() + " bytes of the file");
            }
            try {
                for (ByteBuffer buffer = ByteBuffer.wrap(bytes, 0, length);
                        buffer.hasRemaining(); ) {
                    channel.write(buffer);
                }
            } catch (IOException e) {
                throw new HubException(
                        String.format(
                                "%s: %s cannot be written (%s); needed %,d bytes more, free %,d",
                                what,
                                part,
                                e.getMessage(),
                                file.bytes() - channel.position(),
                                Files.getFileStore(part).getUsableSpace()),
                        e);
            }
            progress.accept(length);
        }
    }

    /** A server answers with the whole file where a part was asked for. */
    private static final class RangesIgnoredException extends HubException {

        private static final long serialVersionUID = 1L;

        RangesIgnoredException(String what) {
            super(what + ": the server knows no ranges");
        }
    }
}
