package io.pbsattn.zoo.hub;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Requests to the hub and to the servers that it sends us on to. Redirects are followed here and
 * not by the client, because the token is for the hub alone.
 */
final class HubHttp {

    private static final int MAX_REDIRECTS = 10;
    private static final long POLL_MILLIS = 200;

    private final HttpClient client;
    private final HubSettings settings;

    HubHttp(HubSettings settings) {
        this.settings = settings;
        client =
                HttpClient.newBuilder()
                        // Ranges that are fetched at the same time want connections of their own.
                        .version(HttpClient.Version.HTTP_1_1)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .connectTimeout(settings.connectTimeout())
                        .build();
    }

    /** Reads a whole body. */
    byte[] read(String what, URI uri, int maxBytes) throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        get(
                what,
                uri,
                null,
                (headers, bytes) -> {
                    if (body.size() + bytes.length > maxBytes) {
                        throw new HubException(what + ": more than " + maxBytes + " bytes");
                    }
                    body.writeBytes(bytes);
                });
        return body.toByteArray();
    }

    /**
     * Gets a body, or a range of it.
     *
     * @param what is wanted, for messages
     * @param range the value of the header Range; null for all
     * @param sink takes the body's bytes
     * @return where the body was at last
     * @throws HubException if another try is of no use
     */
    URI get(String what, URI uri, String range, BodyReceiver.Sink sink) throws IOException {
        URI at = uri;
        for (int hops = 0; hops <= MAX_REDIRECTS; ++hops) {
            HttpResponse<Void> response =
                    exchange(
                            "GET",
                            at,
                            range,
                            (info, bytes) -> {
                                checkEncoding(what, info.headers());
                                sink.accept(info, bytes);
                            });
            if (!isRedirect(response.statusCode())) {
                HubErrors.check(what, settings.endpoint(), response);
                return at;
            }
            at = target(what, at, response.headers());
        }
        throw tooManyRedirects(what, at);
    }

    /**
     * Asks what a file is, without its content. The hub says so before it redirects to another
     * server, which is then not asked.
     */
    HubFile describe(String what, String name, URI uri, HubApi.Stated stated) throws IOException {
        URI at = uri;
        Optional<String> etag = Optional.empty();
        OptionalLong size = OptionalLong.empty();
        for (int hops = 0; hops <= MAX_REDIRECTS; ++hops) {
            HttpResponse<Void> response = exchange("HEAD", at, null, (headers, bytes) -> {});
            HttpHeaders headers = response.headers();
            etag = etag.or(() -> headers.firstValue("X-Linked-Etag"));
            size = size.isPresent() ? size : headers.firstValueAsLong("X-Linked-Size");
            boolean isRedirect = isRedirect(response.statusCode());
            if (isRedirect && (etag.isEmpty() || size.isEmpty())) {
                at = target(what, at, headers);
                continue;
            }
            if (!isRedirect) {
                HubErrors.check(what, settings.endpoint(), response);
                checkEncoding(what, headers);
                etag = etag.or(() -> headers.firstValue("ETag"));
                size = size.isPresent() ? size : headers.firstValueAsLong("Content-Length");
            }
            return file(what, name, uri, etag.orElse(""), size.orElse(stated.bytes()), stated);
        }
        throw tooManyRedirects(what, at);
    }

    private static HubFile file(
            String what, String name, URI uri, String etag, long bytes, HubApi.Stated stated)
            throws HubException {
        String plain = etag.replaceFirst("^W/", "").replace("\"", "");
        // It becomes the name of a file.
        if (!plain.matches("\\w[\\w.-]{0,199}")) {
            throw new HubException(what + ": the hub states no usable ETag, found '" + etag + "'");
        }
        if (bytes < 0) {
            throw new HubException(what + ": the hub states no size");
        }
        if (stated.bytes() >= 0 && stated.bytes() != bytes) {
            throw new HubException(
                    what + ": the hub lists " + stated.bytes() + " bytes, but would send " + bytes);
        }
        boolean isDigest = plain.matches(BlobDownload.DIGEST);
        return new HubFile(name, uri, plain, bytes, isDigest ? plain : stated.digest());
    }

    /** Sizes and ranges of an encoded body are not those of the file. */
    private static void checkEncoding(String what, HttpHeaders headers) throws HubException {
        String encoding = headers.firstValue("Content-Encoding").orElse("identity");
        if (!encoding.equalsIgnoreCase("identity")) {
            throw new HubException(
                    what
                            + ": sent with Content-Encoding '"
                            + encoding
                            + "', though identity was asked for");
        }
    }

    private HttpResponse<Void> exchange(
            String method, URI uri, String range, BodyReceiver.Sink sink) throws IOException {
        HostNames.check(uri, settings.connectTimeout());
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri)
                        .method(method, HttpRequest.BodyPublishers.noBody())
                        .header("User-Agent", "pbs-attn-djl")
                        // A compressed answer would have another size than the file.
                        .header("Accept-Encoding", "identity");
        if (range != null) {
            request.header("Range", range);
        }
        if (!settings.token().isEmpty() && isSameServer(uri, settings.endpoint())) {
            request.header("Authorization", "Bearer " + settings.token());
        }
        BodyReceiver receiver = new BodyReceiver(sink);
        CompletableFuture<HttpResponse<Void>> future = client.sendAsync(request.build(), receiver);
        try {
            return await(future, receiver);
        } finally {
            receiver.close();
            future.cancel(true);
        }
    }

    private HttpResponse<Void> await(
            CompletableFuture<HttpResponse<Void>> future, BodyReceiver receiver)
            throws IOException {
        Duration timeout = settings.timeout();
        while (true) {
            try {
                return future.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (receiver.idleNanos() > timeout.toNanos()) {
                    throw new HttpTimeoutException(
                            "nothing came for " + timeout.toMillis() / 1000.0 + " s");
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                InterruptedIOException interrupted = new InterruptedIOException("interrupted");
                interrupted.initCause(e);
                throw interrupted;
            } catch (ExecutionException e) {
                throw reason(e);
            }
        }
    }

    /** The verdict of a sink is wrapped by the client. */
    private static IOException reason(ExecutionException e) {
        for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
            if (cause instanceof HubException verdict) {
                return verdict;
            }
        }
        return e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    }

    private static boolean isRedirect(int status) {
        return switch (status) {
            case 301, 302, 303, 307, 308 -> true;
            default -> false;
        };
    }

    private static URI target(String what, URI from, HttpHeaders headers) throws HubException {
        String location = headers.firstValue("Location").orElse("");
        URI to;
        try {
            to = from.resolve(location);
        } catch (IllegalArgumentException e) {
            throw new HubException(what + ": redirected to '" + location + "', not a URL", e);
        }
        boolean isWeb = "https".equals(to.getScheme()) || "http".equals(to.getScheme());
        boolean isDowngrade = "https".equals(from.getScheme()) && "http".equals(to.getScheme());
        if (location.isEmpty() || !isWeb || to.getHost() == null || isDowngrade) {
            throw new HubException(what + ": redirected to '" + location + "', which is not safe");
        }
        return to;
    }

    private static HubException tooManyRedirects(String what, URI last) {
        return new HubException(
                what
                        + ": redirected more than "
                        + MAX_REDIRECTS
                        + " times, at last to "
                        + last.getHost()
                        + last.getPath());
    }

    static boolean isSameServer(URI a, URI b) {
        return Objects.equals(a.getScheme(), b.getScheme())
                && a.getHost().equalsIgnoreCase(b.getHost())
                && a.getPort() == b.getPort();
    }
}
