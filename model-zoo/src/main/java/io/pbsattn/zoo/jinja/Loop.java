package io.pbsattn.zoo.jinja;

import java.util.ArrayList;
import java.util.List;

/** The variable {@code loop} of a for loop. */
final class Loop {

    private final List<Object> items;
    private List<Object> watched;
    private int index;
    private boolean interrupted;
    private boolean ended;

    Loop(List<Object> items) {
        this.items = items;
    }

    void goTo(int newIndex) {
        index = newIndex;
        interrupted = false;
    }

    /** Leaves the rest of this turn out, and perhaps all turns behind it. */
    void interrupt(boolean forGood) {
        interrupted = true;
        ended = forGood;
    }

    boolean isInterrupted() {
        return interrupted;
    }

    boolean isEnded() {
        return ended;
    }

    Object attribute(String name) {
        return switch (name) {
            case "index" -> index + 1L;
            case "index0" -> (long) index;
            case "revindex" -> (long) items.size() - index;
            case "revindex0" -> items.size() - index - 1L;
            case "first" -> index == 0;
            case "last" -> index == items.size() - 1;
            case "length" -> (long) items.size();
            case "depth" -> 1L; // it counts recursive loops only
            case "depth0" -> 0L;
            case "previtem" ->
                    index > 0 ? items.get(index - 1) : new Undefined("there is no previous item");
            case "nextitem" ->
                    index + 1 < items.size()
                            ? items.get(index + 1)
                            : new Undefined("there is no next item");
            case "cycle" -> (Callable) (values, named) -> values.get(index % values.size());
            case "changed" -> (Callable) (values, named) -> changed(values);
            default -> new Undefined("loop has no attribute '" + name + "'");
        };
    }

    private boolean changed(List<Object> values) {
        boolean changed = watched == null || !Python.equal(watched, values);
        watched = new ArrayList<>(values);
        return changed;
    }
}
