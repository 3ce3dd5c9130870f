package io.pbsattn.zoo.hub;

import ai.djl.util.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.ToLongFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Models of the Hugging Face hub, in the cache that huggingface_hub and transformers use too.
 *
 * <p>Only the files that running a model needs are downloaded: its configuration, its tokenizer and
 * its safetensors weights. May be used from several threads and processes at the same time.
 */
public final class Hub {

    private static final Logger logger = LoggerFactory.getLogger(Hub.class);
    private static final int CONNECTIONS = 8;
    private static final int CHUNK_BYTES = 8 << 20;

    private final HubSettings settings;
    private final HubCache cache;
    private final HubHttp http;
    private final Retry retry;
    private final HubApi api;
    private final int chunkBytes;
    private final ToLongFunction<Path> freeBytes;

    /**
     * Constructs a hub.
     *
     * @param settings where models come from and are kept
     */
    public Hub(HubSettings settings) {
        this(settings, Sleeper.REAL, CHUNK_BYTES, Hub::usableBytes);
    }

    Hub(HubSettings settings, Sleeper sleeper, int chunkBytes, ToLongFunction<Path> freeBytes) {
        this.settings = settings;
        this.chunkBytes = chunkBytes;
        this.freeBytes = freeBytes;
        cache = new HubCache(settings.cache());
        http = new HubHttp(settings);
        retry = new Retry(sleeper, settings.reachTimeout());
        api = new HubApi(http, retry, settings.endpoint());
    }

    /**
     * Returns the models in the cache.
     *
     * @return every model, whole or in part
     * @throws IOException if the cache cannot be read
     */
    public List<CachedModel> cached() throws IOException {
        return cache.list();
    }

    /**
     * Returns a model of which everything is in the cache, without asking the hub.
     *
     * @param model which one
     * @return its folder; empty if something is missing
     * @throws IOException if the cache cannot be read
     */
    public Optional<Path> cached(HubModelId model) throws IOException {
        return cache.complete(model);
    }

    /** A folder that is there only when the model is. */
    Path unfinished(HubModelId model) {
        return cache.snapshot(model, model.revision() + ".incomplete");
    }

    /**
     * Downloads what is missing of a model. A branch or tag is looked up each time, so that a new
     * commit is found; where the hub cannot be reached, what the cache has is taken.
     *
     * @param model which one
     * @param progress hears of the weights' bytes; may be null
     * @return its folder
     * @throws HubException if the model cannot be had; says why
     * @throws IOException if the cache cannot be read or written
     */
    public Path download(HubModelId model, Progress progress) throws IOException {
        Optional<Path> known = cache.complete(model);
        if (settings.isOffline()) {
            return known.orElseThrow(() -> notCached(model));
        }
        boolean isSettled =
                model.isCommit()
                        && known.isPresent()
                        && Files.exists(known.get().resolve(FileNames.TOKENIZER));
        if (isSettled) {
            return known.get();
        }
        logger.info("{}: asking {}", model, settings.endpoint());
        HubApi.Listing listing;
        try {
            listing = api.list(model, known.isPresent() ? 1 : Retry.ATTEMPTS);
        } catch (HubUnavailableException e) {
            if (known.isEmpty()) {
                throw e;
            }
            logger.warn("{}; taking what the cache has: {}", e.getMessage(), known.get());
            return known.get();
        }
        Path snapshot = cache.snapshot(model, listing.commit());
        CacheLock lock = CacheLock.take(cache.lockFile(model));
        try {
            // The weights come last: where they are, all the rest is.
            fetch(model, listing, FileNames.small(model, listing.names()), null);
            fetch(model, listing, FileNames.weights(snapshot), progress);
            cache.writeRef(model, listing.commit());
        } finally {
            lock.close();
        }
        return snapshot;
    }

    private HubException notCached(HubModelId model) {
        return new HubException(
                model
                        + ": not in the cache "
                        + settings.cache()
                        + ", or not all of it, and downloads are switched off (HF_HUB_OFFLINE,"
                        + " DJL_OFFLINE or ai.djl.offline)");
    }

    private void fetch(
            HubModelId model, HubApi.Listing listing, Collection<String> names, Progress progress)
            throws IOException {
        Path snapshot = cache.snapshot(model, listing.commit());
        List<HubFile> files = new ArrayList<>();
        long bytes = 0;
        long done = 0;
        for (String name : names) {
            if (!listing.names().contains(name)) {
                throw new HubException(model + ": no such file: " + name);
            }
            if (Files.isRegularFile(snapshot.resolve(name))) {
                continue;
            }
            HubFile file = api.describe(model, listing, name);
            files.add(file);
            Path blob = cache.blob(model, file.etag());
            if (!isBlob(blob, file)) {
                bytes += file.bytes();
                done += BlobDownload.bytesDone(blob, file.bytes());
            }
        }
        checkSpace(model, bytes - done);
        if (progress != null && bytes > 0) {
            progress.reset("Downloading", bytes);
            progress.start(done);
        }
        ExecutorService executor = Executors.newFixedThreadPool(CONNECTIONS, Hub::daemon);
        try {
            for (HubFile file : files) {
                Path blob = cache.blob(model, file.etag());
                if (!isBlob(blob, file)) {
                    String what = model + ": " + file.name();
                    new BlobDownload(
                                    http,
                                    retry,
                                    executor,
                                    CONNECTIONS,
                                    chunkBytes,
                                    what,
                                    file,
                                    blob)
                            .run(n -> increment(progress, n));
                }
                cache.link(blob, snapshot.resolve(file.name()));
            }
        } finally {
            executor.shutdownNow();
            if (progress != null && bytes > 0) {
                progress.end();
            }
        }
    }

    /** Whether a content is there already, under this or another name. */
    private static boolean isBlob(Path blob, HubFile file) throws IOException {
        return Files.isRegularFile(blob) && Files.size(blob) == file.bytes();
    }

    private void checkSpace(HubModelId model, long bytes) throws IOException {
        Files.createDirectories(settings.cache());
        long free = freeBytes.applyAsLong(settings.cache());
        if (bytes > free) {
            throw new HubException(
                    String.format(
                            "%s: the disk of %s is too full, needed %,d bytes, free %,d",
                            model, settings.cache(), bytes, free));
        }
    }

    private static long usableBytes(Path folder) {
        try {
            return Files.getFileStore(folder).getUsableSpace();
        } catch (IOException e) {
            logger.debug("free space of {} is not known", folder, e);
            return Long.MAX_VALUE;
        }
    }

    private static void increment(Progress progress, long bytes) {
        if (progress != null) {
            progress.increment(bytes);
        }
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "hub-download");
        thread.setDaemon(true);
        return thread;
    }
}
