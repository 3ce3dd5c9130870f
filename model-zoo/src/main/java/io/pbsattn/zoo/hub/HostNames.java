package io.pbsattn.zoo.hub;

import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Looks up names of hosts ahead of a request: the client's own look-up has no time limit. */
final class HostNames {

    private HostNames() {}

    /**
     * Looks up the host of an address, unless a proxy does.
     *
     * @param limit after which a look-up is given up
     * @throws UnknownHostException if there is no such host, or nobody says so in time
     */
    static void check(URI uri, Duration limit) throws UnknownHostException, InterruptedIOException {
        String host = uri.getHost();
        if (usesProxy(uri)) {
            return;
        }
        FutureTask<InetAddress> task = new FutureTask<>(() -> InetAddress.getByName(host));
        Thread thread = new Thread(task, "hub-host-name");
        thread.setDaemon(true);
        thread.start();
        try {
            task.get(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            UnknownHostException unknown =
                    new UnknownHostException("the address of " + host + " is not known");
            unknown.initCause(e);
            throw unknown;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            InterruptedIOException interrupted = new InterruptedIOException("interrupted");
            interrupted.initCause(e);
            throw interrupted;
        }
    }

    private static boolean usesProxy(URI uri) {
        ProxySelector selector = ProxySelector.getDefault();
        List<Proxy> proxies = selector == null ? List.of() : selector.select(uri);
        return proxies.stream().anyMatch(proxy -> proxy.type() != Proxy.Type.DIRECT);
    }
}
