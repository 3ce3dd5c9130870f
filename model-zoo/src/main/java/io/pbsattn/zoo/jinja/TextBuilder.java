package io.pbsattn.zoo.jinja;

/** Builds a text; the budget is asked before it grows. */
final class TextBuilder {

    private final Budget budget;
    private final StringBuilder text = new StringBuilder();

    TextBuilder(Budget budget) {
        this.budget = budget;
    }

    Budget budget() {
        return budget;
    }

    int length() {
        return text.length();
    }

    TextBuilder append(String more) {
        budget.characters(more.length());
        text.append(more);
        return this;
    }

    TextBuilder append(String more, int from, int to) {
        budget.characters(to - from);
        text.append(more, from, to);
        return this;
    }

    TextBuilder append(int codePoint) {
        budget.characters(1);
        text.appendCodePoint(codePoint);
        return this;
    }

    TextBuilder repeat(String more, long count) {
        if (count > 0 && !more.isEmpty()) {
            if (count > Integer.MAX_VALUE / more.length()) {
                throw new JinjaException(
                        "a text of more than " + Integer.MAX_VALUE + " characters");
            }
            budget.characters(count * more.length());
            text.append(more.repeat((int) count));
        }
        return this;
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return text.toString();
    }
}
