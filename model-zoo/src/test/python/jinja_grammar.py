"""Makes templates at random, from a grammar of Jinja2's constructs over odd values.

    python model-zoo/src/test/python/jinja_grammar.py COUNT SEED FILE

writes a file of templates and what Jinja2 makes of them, in the form of jinja.json. make_chat_data.py
writes some for the tests.
"""

import random
import sys

STRINGS = r"""'' 'a' 'abc' 'A b' 'a,b,,c' '  x ' '1' '-1.50' '0x1f' '1e3' 'héllo' 'ß' 'ΑΣ' 'a\nb\r\nc' 'a\tb' '<b>&"' '%s' '%d-%s' '%5.2f|'
'%05d' '{}' '{0} {1}' '{:>5}' '{:05.1f}' '{x}' 'hello world foo' 'It\'s a dog-house' '😀x' '\u00e9\x41' 'aXbX' 'abcabc' uni s long 'a=b=c'
'ab12' '١٢' '²' 'Ǆ' '\u200b' '_' 'Hello World' 'a_b' 'inf' '1_000' ' 12 ' '+5' '1__0' '0b11' '07'"""
INTEGERS = "0 1 2 3 -1 -2 5 10 1_000 0x1f 0o17 0b101 big 2**64 -7 100 n neg True False 255 12345"
FLOATS = """0.0 1.5 -2.5 1e3 1e16 1.5e-7 2.675 0.1+0.2 1e22 1e-5 123456789.123 5e-324 2.5 3.5 -0.0 x 100.0 0.5 1/3 2/3 1e100
9007199254740993.0 0.00001234 12345.678"""
LISTS = """[] [1,2,3] ['b','A','a'] nums words recs nested (1,2) (1,) () range(5) range(1,10,3) range(5,0,-2) [[1,2],[3]] [none,1] [1,1.0,true]
d.items() d.keys() d.values() 'abc'|list words|map('upper')|list nums|select('odd')|list [1,'a'] [(1,'b'),(0,'a')] [0,'',none,[],{}] messages"""
DICTS = """{} {'a':1} d {'b':1,'a':2} {1:'x',2:'y'} {'k':[none,true,1.5]} {true:1,1:2} {'z':'Q','y':'p','X':'r'} messages[0] {none:1} {1.5:2}
{(1,2):3} tools[0]"""
OTHERS = "none undef true false namespace(a=1) messages[0].role d.c d.zz d['b']"

# Filters, and the kinds of values that they are tried on.
FILTERS = """abs:if attr('a'):do batch(2)|list:ls batch(2,'x')|list:l batch(3,0)|list:l capitalize:s center(10):sif center:s count:lsd
default('D'):o default('D',true):oslf d(1):o dictsort:d dictsort(true):d dictsort(false,'value'):d dictsort(reverse=true):d e:sld escape:s
filesizeformat:if filesizeformat(true):ifs first:lsd last:lsd float:sifo float(7):so forceescape:s format(1,2):s format('a','b'):s format(x=1):s
groupby('n'):l groupby('t')|list:l groupby('a.b',default=0):l indent:s indent(2):s indent(2,true):s indent(2,blank=true):s indent('>>'):s int:sifo
int(5):so int(0,16):s int(base=0):s int(base=2):s int(base=36):s join:lsd join(','):lsd join('-',attribute='n'):l join(1):l length:lsdo list:lsdo
lower:sifld items|list:do map('upper')|list:l map('int')|list:ls map(attribute='n')|list:l map(attribute='a.b',default=9)|list:l
map(attribute=0)|list:l map('default',5)|list:l map('round',1)|list:l min:ls max:ls min(attribute='t'):l max(case_sensitive=true):l pprint:sifldo
reject('odd')|list:l reject|list:l rejectattr('n')|list:l rejectattr('t','gt',1)|list:l replace('a','X'):sil replace('a','X',1):s replace('','-'):s
replace('','-',2):s replace(1,2):si reverse|list:lsd reverse:s round:if round(1):if round(2):f round(1,'floor'):if round(0,'ceil'):if round(-1):if
round(2,'ceil'):f round(-2,'floor'):if safe:s select('string')|list:l select|list:l select('gt',1)|list:l select('in',[1,'a'])|list:l
selectattr('n')|list:l selectattr('n','equalto','x')|list:l selectattr('t','lt',3)|list:l selectattr('a.b','defined')|list:l slice(2)|list:l
slice(3,'x')|list:ls slice(0)|list:l sort:lsd sort(true):ls sort(reverse=true,attribute='t'):l sort(attribute='n,t'):l sort(case_sensitive=true):ls
sort(attribute=1):l string:sifldo striptags:s sum:l sum(attribute='t'):l sum(start=10):l sum(start=[]):l title:sif tojson:sifldo
tojson(indent=2):ld tojson(true):s tojson(sort_keys=true):d tojson(separators=(',',':')):ld tojson(indent='\\t'):ld tojson(indent=0):ld trim:sif
trim('ab'):s truncate(5):s truncate(10,true):s truncate(10,false,'..',0):s truncate(20):s truncate(3,true,''):s unique|list:ls unique(true)|list:l
unique(attribute='n')|list:l upper:sifl urlencode:sidl wordcount:s wordwrap(10):s wordwrap(10,false):s wordwrap(7,true,'|'):s
wordwrap(20,break_on_hyphens=false):s xmlattr:d xmlattr(false):d"""
METHODS = """upper() lower() title() capitalize() swapcase() casefold() strip() strip('a') lstrip() rstrip('x') split() split(',') split(none,1)
split(maxsplit=1) split('b',1) rsplit(',',1) rsplit() rsplit(none,1) rsplit('b') splitlines() splitlines(true) partition('=') rpartition('=')
startswith('a') startswith(('a','b')) startswith('b',1) endswith('c') endswith(('x','c'),1,3) find('b') find('b',1) find('',9) rfind('b')
rfind('b',-2) index('b') rindex('b') count('a') count('') count('b',1) count('a',-2,9) replace('a','b') replace('b','',1) replace('','.') join(words)
join('xy') join([1]) isdigit() isdecimal() isnumeric() isalpha() isalnum() isspace() isupper() islower() istitle() isidentifier() isprintable()
isascii() center(8) center(9,'*') ljust(6) rjust(6,'0') zfill(6) expandtabs() expandtabs(4) removeprefix('a') removesuffix('c') format(1,2)
format('q') format(x=5) format(3.14159,2) format_map({'x':1}) nosuch nosuch()"""
PERCENT = """%s %d %5d %-5d| %05d %+d %x %X %#x %o %#o %e %.3e %E %f %.0f %.2f %10.3f| %-10.3f| %+.1f %g %.3g %G %#g %c %r %5s| %-5s| %.2s
%a %% %i %u %05.1f %.10g %#.0f %.5d %08.3d %*d %ld"""
SPECS = """5 <5 ^7 >7 *^9 =+8 05 + - #x x X b #b o c d n e E f .0f .2f 10.2f 010.2f +.1f g .3g G % .1% , ,.2f _ _x s .2s 10s ^10s z.1f 08,d
012, #.0f .3 # 020_b <08 0=10 5. é>4"""
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
TESTS = """defined undefined none string number integer float boolean true false mapping sequence iterable callable odd even lower upper
divisibleby(3) eq(1) ne(1) gt(1) lt('b') ge(2) le(2.5) equalto('a') in([1,'a']) filter test escaped"""
SUBSCRIPTS = "[0] [-1] |list[1:] |list[::-1] |list[:2] |list[1:3] |list[-2:] |list[::2] ['a'] [9] |list[-9:9] |list[3:1] ['items'] [1.5] [true]"
VALUES = {"s": STRINGS, "i": INTEGERS, "f": FLOATS, "l": LISTS, "d": DICTS, "o": OTHERS}
TEXTS = ["", " ", "\n", "  \n  ", "a", "x\n", "\n\n", " b ", "\t", "{", "}", "#", "\n   "]
LOOP = """loop.index loop.index0 loop.revindex loop.first loop.last loop.length loop.previtem loop.nextitem loop.cycle('p','q')
loop.changed(i) loop.depth i a b2 loop"""


def literals(text):
    """The strings of the list hold blanks."""
    words, quoted = [""], False
    for at, c in enumerate(text):
        quoted ^= c == "'" and text[at - 1] != "\\"
        if c in " \n" and not quoted:
            words.append("")
        else:
            words[-1] += c
    return [word for word in words if word]


VALUES = {kind: literals(text) for kind, text in VALUES.items()}
FILTERS = [entry.rsplit(":", 1) for entry in literals(FILTERS)]
VARIABLES = {
    "long": "The quick brown-fox -- jumps over the lazy dog, state-of-the-art. " * 3,
    "d": {"b": 1, "A": 2, "c": {"x": [1, 2]}},
    "nums": [3, 1, 2, 2.5, -1],
    "words": ["b", "A", "c", "a"],
    "big": 10**15,
    "nested": [{"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {}}],
    "recs": [{"n": "x", "t": 2}, {"n": "Y", "t": 1}, {"n": "x", "t": 3}],
    "uni": "ß é ﬁ ΑΣ İ 漢 \u200b 😀 ǆ \u00ad\u2028",
}


class Grammar:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.blocks = 0

    def choice(self, items):
        return self.random.choice(items.split() if isinstance(items, str) else items)

    def chance(self, share):
        return self.random.random() < share

    def value(self, kinds="ssssiifflldo"):
        return self.choice(VALUES[self.choice(list(kinds))])

    def expression(self, depth=0):
        if depth > 2:
            return self.value()
        inner = lambda: self.expression(depth + 1)
        rule = self.choice(["value", "filter", "filter", "filter", "method", "percent", "format", "operator", "operator", "test", "item", "if", "sign", "items"])
        if rule == "filter":
            name, kinds = self.choice(FILTERS)
            return f"({self.value(kinds) if self.chance(0.85) else inner()})|{name}"
        if rule == "method":
            return f"({self.value('s')}).{self.choice(METHODS)}"
        if rule == "percent":
            return f"('{self.choice(PERCENT)}' % {self.choice(['({},)', '{}']).format(self.value())})"
        if rule == "format":
            return "'[{%s%s}]'.format(%s)" % (self.choice(["", "0", "!r", "!s"]), self.choice(["", ":" + self.choice(SPECS)]), self.value())
        if rule == "operator":
            return f"({inner()} {self.choice(OPERATORS)} {inner()})"
        if rule == "test":
            return f"(({inner()}) is {self.choice(['', 'not '])}{self.choice(TESTS)})"
        if rule == "item":
            return f"({self.choice([self.value('s'), self.value('l'), inner()])}){self.choice(SUBSCRIPTS)}"
        if rule == "if":
            return f"({inner()} if {inner()} else {inner()})"
        if rule == "sign":
            return f"{self.choice(['-', '+', 'not '])}({inner()})"
        if rule == "items":
            return self.choice(["[{},{}]", "({},{})", "{{'p':{},'q':{}}}"]).format(inner(), inner())
        return self.value()

    def tag(self, text):
        return "{%" + self.choice(["", "", "-", "+"]) + f" {text} " + self.choice(["", "", "-", "+"]) + "%}"

    def write(self, text):
        return "{{" + self.choice(["", "", "-"]) + f" {text} " + self.choice(["", "", "-"]) + "}}"

    def body(self, depth):
        return "".join(self.choice(TEXTS) + self.statement(depth + 1) for _ in range(self.random.randrange(3))) + self.choice(TEXTS)

    def statement(self, depth=0):
        tag, write, inner = self.tag, self.write, lambda: self.body(depth)
        expression = self.expression(1)
        rule = self.choice("write write if for for set capture filter with macro macro call comment raw recursive generation block") if depth < 4 else "write"
        if rule == "if":
            more = tag(self.choice(["else", "elif " + self.expression(1)])) + inner() if self.chance(0.6) else ""
            return tag("if " + expression) + inner() + more + tag("endif")
        if rule == "for":
            target = self.choice(["i", "i", "i", "a,i", "(a,i)", "i,(a,b2)", "_,i"])
            items = self.choice([self.value("l"), self.value("l"), expression, "1,2,3", "d.items()", "d|dictsort"])
            jump = tag("if " + self.expression(2)) + tag(self.choice(["break", "continue"])) + tag("endif") if self.chance(0.3) else ""
            otherwise = tag("else") + inner() if self.chance(0.3) else ""
            head = f"for {target} in {items}{self.choice(['', '', '', ' if i', ' if loop.index'])}"
            return tag(head) + inner() + write(self.choice(LOOP)) + jump + inner() + otherwise + tag("endfor")
        if rule == "set":
            target = self.choice(["a", "b2", "a,b2", "ns.q", "(a,b2)", "i", "ns.q,a"])
            return tag(f"set {target} = {self.choice([expression, '1,2'])}") + write(self.choice("a b2 ns.q ns"))
        if rule == "capture":
            return tag("set a" + self.choice(["", " | upper", " | trim|title"])) + inner() + tag("endset") + write("a")
        if rule == "filter":
            return tag("filter " + self.choice("upper trim indent(2) title|trim replace('a','b') length e")) + inner() + tag("endfilter")
        if rule == "with":
            return tag("with " + self.choice(["", "a=1", "a=1, b2=a", "a=" + expression])) + inner() + write("a") + tag("endwith") + write("a")
        if rule == "macro":
            said = self.choice("p q varargs kwargs caller() caller p~q varargs|length kwargs|dictsort m")
            call = f"m({self.choice(['', '1', '1,2', '1,2,3', 'p=3', 'q=2', '1,z=4', '*[1,2]', '**{}', expression])})".replace("{}", "{'p':5}")
            return tag(f"macro m({self.choice(['', 'p', 'p,q=1', 'p,q=p'])})") + inner() + write(said) + tag("endmacro") + write(call)
        if rule == "call":
            head = f"call{self.choice(['', '(u)', '(u,w=2)'])} m({self.choice(['', '1', '1,2'])})"
            return tag(head) + inner() + write(self.choice("u w 1")) + tag("endcall")
        if rule == "comment":
            return "{#" + self.choice(["", "-", "+"]) + " c " + self.choice(["", "-", "+"]) + "#}"
        if rule == "raw":
            text = self.choice(TEXTS) + "{{ x }}" + self.choice(TEXTS)
            return "{%" + self.choice(["", "-", "+"]) + " raw " + self.choice(["", "-"]) + "%}" + text + self.tag("endraw")
        if rule == "recursive":
            return tag("for n2 in nested recursive") + write("n2.a") + write("loop(n2.kids)") + write("loop.depth") + tag("endfor")
        if rule == "generation":
            return tag("generation") + inner() + tag("endgeneration")
        if rule == "block":
            self.blocks += 1
            return tag(f"block b{self.blocks}{self.choice(['', ' scoped'])}") + inner() + write("a") + write("i") + tag("endblock")
        return write(expression)

    def template(self):
        self.blocks = 0
        if self.chance(0.7):
            return "{{ " + self.expression() + " }}"
        return "{% set ns = namespace(q=0) %}" + "".join(self.choice(TEXTS) + self.statement() for _ in range(self.random.randint(1, 3)))


def templates(count, seed):
    grammar = Grammar(seed)
    return [grammar.template() for _ in range(count)]


if __name__ == "__main__":
    import make_chat_data

    make_chat_data.write_random(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
