package io.pbsattn.zoo.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Queue;

/** The variable {@code loop}. Its items come one by one, as far ahead as the template looks. */
final class Loop implements Callable, HasAttributes {

    private final Iterator<Object> items;
    private final Queue<Optional<Object>> ahead = new ArrayDeque<>();
    private final Recursion recursion;
    private final int depth;
    private final Budget budget;
    private long length;
    private long index = -1;
    private Object before;
    private Object item;
    private List<Object> watched;

    /** Writes a recursive loop over other items. */
    interface Recursion {
        Object over(Object items, int depth);
    }

    /**
     * Constructs the variable.
     *
     * @param items what the loop runs over
     * @param length the number of items, or -1 if it is not known yet
     * @param recursion the loop itself, or null if it is not recursive
     * @param depth how many loops of itself are around this one
     * @param budget what the rendering may take
     */
    Loop(Iterator<Object> items, long length, Recursion recursion, int depth, Budget budget) {
        this.items = items;
        this.length = length;
        this.recursion = recursion;
        this.depth = depth;
        this.budget = budget;
    }

    /** Goes to the next item, if there is one. */
    boolean advance() {
        budget.step();
        if (!look()) {
            return false;
        }
        ++index;
        before = item;
        item = ahead.remove().orElse(null);
        return true;
    }

    Object item() {
        return item;
    }

    long length() {
        if (length < 0) {
            while (items.hasNext()) {
                budget.items(1);
                ahead.add(Optional.ofNullable(items.next()));
            }
            length = index + 1 + ahead.size();
        }
        return length;
    }

    /** Whether there is an item behind this one. */
    private boolean look() {
        if (ahead.isEmpty() && items.hasNext()) {
            ahead.add(Optional.ofNullable(items.next()));
        }
        return !ahead.isEmpty();
    }

    /** {@inheritDoc} */
    @Override
    public Object attribute(String name) {
        return switch (name) {
            case "index" -> index + 1;
            case "index0" -> index;
            case "revindex" -> length() - index;
            case "revindex0" -> length() - index - 1;
            case "first" -> index == 0;
            case "last" -> !look();
            case "length" -> length();
            case "depth" -> depth + 1L;
            case "depth0" -> (long) depth;
            case "previtem" -> index == 0 ? new Undefined("there is no previous item") : before;
            case "nextitem" ->
                    look() ? ahead.element().orElse(null) : new Undefined("there is no next item");
            case "cycle" -> (Callable) this::cycle;
            case "changed" -> (Callable) this::changed;
            default -> Attributes.MISSING;
        };
    }

    private Object cycle(Arguments arguments) {
        List<Object> values = arguments.of("loop.cycle").rest();
        if (values.isEmpty()) {
            throw new JinjaException("loop.cycle: expected arguments");
        }
        return arguments.end(values.get((int) (index % values.size())));
    }

    private Object changed(Arguments arguments) {
        List<Object> values = new ArrayList<>(arguments.of("loop.changed").rest());
        arguments.end();
        boolean changed = watched == null || !Equality.equal(watched, values, budget);
        watched = values;
        return changed;
    }

    /** {@inheritDoc} */
    @Override
    public Object call(Arguments arguments) {
        Object inner = arguments.of("loop").take("iterable");
        arguments.end();
        if (recursion == null) {
            throw new JinjaException("loop: only a recursive loop can be called");
        }
        return recursion.over(inner, depth + 1);
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return "<LoopContext " + (index + 1) + "/" + length() + ">";
    }
}
