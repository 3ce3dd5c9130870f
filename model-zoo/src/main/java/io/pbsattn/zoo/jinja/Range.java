package io.pbsattn.zoo.jinja;

import java.util.AbstractList;

/** Python's {@code range}: integers that take no memory. */
final class Range extends AbstractList<Object> {

    /** The longest range that Jinja2's sandbox makes. */
    static final int LONGEST = 100_000;

    private final long start;
    private final long stop;
    private final long step;
    private final int size;

    private Range(long start, long stop, long step, int size) {
        this.start = start;
        this.stop = stop;
        this.step = step;
        this.size = size;
    }

    static Range of(long start, long stop, long step) {
        if (step == 0) {
            throw new JinjaException("range: the step is zero");
        }
        long size = 0;
        if (step > 0 ? start < stop : start > stop) {
            // Without a sign the distance of any two numbers fits.
            long distance = step > 0 ? stop - start : start - stop;
            long width = step > 0 ? step : -step;
            size = Long.divideUnsigned(distance - 1, width) + 1;
        }
        if (Long.compareUnsigned(size, LONGEST) > 0) {
            throw new JinjaException("range: too many items, the most are " + LONGEST);
        }
        return new Range(start, stop, step, (int) size);
    }

    long start() {
        return start;
    }

    long stop() {
        return stop;
    }

    long step() {
        return step;
    }

    /** {@inheritDoc} */
    @Override
    public Object get(int index) {
        return start + index * step;
    }

    /** {@inheritDoc} */
    @Override
    public int size() {
        return size;
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return "range(" + start + ", " + stop + (step == 1 ? "" : ", " + step) + ")";
    }
}
