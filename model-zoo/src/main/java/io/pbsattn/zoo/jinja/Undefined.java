package io.pbsattn.zoo.jinja;

/**
 * What a name, key or index that does not exist evaluates to: empty when written, false as a
 * condition, an error in most other uses.
 *
 * @param what what does not exist, for errors
 */
record Undefined(String what) {

    JinjaException error() {
        return new JinjaException(what);
    }
}
