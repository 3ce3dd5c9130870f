package io.pbsattn;

import java.util.List;

/** The backends that a test runs on: all that this machine can run. */
final class Backed {

    private Backed() {}

    static List<String> names() {
        return Backends.list().stream()
                .filter(Backends.BackendStatus::usable)
                .map(Backends.BackendStatus::name)
                .toList();
    }
}
