"""The kinds of question that the demo asks, as tables that can be read and checked.

Every kind is a few phrasings with an `{x}` in them and a table of what to put there, with the answers
that count as right. Facts are written out; sums and sequences come from a seeded generator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

__all__ = ["KINDS", "Kind"]

PER_KIND = 28

Item = tuple[str, tuple[str, ...]]
"""What replaces `{x}`, and the accepted answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A family of questions with one right answer each."""

    name: str
    phrasings: tuple[str, ...]
    items: tuple[Item, ...]


def table(text: str) -> tuple[Item, ...]:
    """Items of a table written `x = answer | other answer; ...`."""
    rows = (row.split(" = ") for row in " ".join(text.split()).rstrip(";").split("; "))
    return tuple((x, tuple(answers.split(" | "))) for x, answers in rows)


def drawn(name: str, draw: Callable[[Random], Item]) -> tuple[Item, ...]:
    """`PER_KIND` different items from a generator seeded with the kind's name."""
    random = Random(name)
    items: dict[str, Item] = {}
    while len(items) < PER_KIND:
        item = draw(random)
        items.setdefault(item[0], item)
    return tuple(items.values())


def number(value: int) -> tuple[str, ...]:
    """A whole number as people write it."""
    return tuple(dict.fromkeys((str(value), f"{value:,}")))


def addition(random: Random) -> Item:
    """Two numbers of one or two digits."""
    top = random.choice((9, 9, 9, 99))
    a, b = random.randint(2, top), random.randint(2, top)
    return f"{a} + {b}", number(a + b)


def sequence(random: Random) -> Item:
    """Four terms with a constant difference."""
    start, step = random.randint(1, 20), random.choice((1, 1, 2, 2, 3, 5, 10))
    if step >= 5:
        start = step * random.randint(1, 9)
    terms = [start + step * i for i in range(5)]
    return ", ".join(map(str, terms[:-1])), number(terms[-1])


def larger(random: Random) -> Item:
    """Two or three different numbers of similar size."""
    top = random.choice((20, 100, 1000))
    values = random.sample(range(1, top), random.choice((2, 2, 3)))
    return ", ".join(map(str, values[:-1])) + f" or {values[-1]}", number(max(values))


def spelled(words: str, answer: Callable[[str], tuple[str, ...]]) -> tuple[Item, ...]:
    """Items about the spelling of words."""
    return tuple((word, answer(word)) for word in words.split())


KINDS: tuple[Kind, ...] = (
    Kind(
        name="addition",
        phrasings=(
            "What is {x}?",
            "How much is {x}?",
            "Could you work out {x} for me?",
            "I am adding up a bill and need {x}. How much is that in total?",
        ),
        items=drawn("addition", addition),
    ),
    Kind(
        name="sequence",
        phrasings=(
            "Continue: {x},",
            "Continue the sequence with one number: {x},",
            "Which number comes next? {x},",
        ),
        items=drawn("sequence", sequence),
    ),
    Kind(
        name="larger number",
        phrasings=(
            "Which number is the largest: {x}?",
            "Which is bigger, {x}?",
            "Our teams scored {x} points. What was the highest score?",
        ),
        items=drawn("larger number", larger),
    ),
    Kind(
        name="digits",
        phrasings=(
            "Write {x} in digits.",
            "Which number is {x} in figures?",
            "I am filling in a cheque. How do I write {x} in digits?",
        ),
        items=table("""
            seven = 7; twelve = 12; thirteen = 13; nineteen = 19; twenty = 20; twenty-five = 25;
            thirty = 30; thirty-one = 31; forty = 40; forty-two = 42; fifty = 50; fifty-six = 56;
            sixty-eight = 68; seventy-seven = 77; eighty = 80; eighty-four = 84; ninety-nine = 99;
            one hundred = 100; one hundred and five = 105; two hundred = 200; two hundred and fifty = 250;
            five hundred and twelve = 512; nine hundred = 900; one thousand = 1000 | 1,000;
            two thousand and ten = 2010 | 2,010; eleven = 11; sixty-three = 63; three hundred = 300;
        """),
    ),
    Kind(
        name="capital",
        phrasings=(
            "What is the capital of {x}?",
            "Which city is the capital of {x}?",
            "Name the capital city of {x}.",
            "I am filling in a form for a trip to {x} and it asks for the capital. What is it?",
        ),
        items=table("""
            France = Paris; Japan = Tokyo; Italy = Rome; Spain = Madrid; Germany = Berlin; Russia = Moscow;
            Egypt = Cairo; Greece = Athens; Portugal = Lisbon; Austria = Vienna; Poland = Warsaw;
            Norway = Oslo; Sweden = Stockholm; Finland = Helsinki; Ireland = Dublin; Cuba = Havana;
            Peru = Lima; Canada = Ottawa; Australia = Canberra; Turkey = Ankara; Kenya = Nairobi;
            Thailand = Bangkok; Mongolia = Ulaanbaatar | Ulan Bator; Bulgaria = Sofia; Senegal = Dakar;
            Uruguay = Montevideo; Slovenia = Ljubljana; New Zealand = Wellington;
        """),
    ),
    Kind(
        name="continent",
        phrasings=(
            "On which continent is {x}?",
            "Which continent is {x} in?",
            "I am labelling a map of the world. Which continent is {x} in?",
        ),
        items=table("""
            France = Europe; Japan = Asia; Kenya = Africa; Brazil = South America; China = Asia;
            Egypt = Africa; Germany = Europe; India = Asia; Nigeria = Africa; Argentina = South America;
            Spain = Europe; Canada = North America; Vietnam = Asia; Ghana = Africa; Peru = South America;
            Norway = Europe; Mexico = North America; Thailand = Asia; Morocco = Africa;
            Chile = South America; Poland = Europe; Korea = Asia; Uganda = Africa; Colombia = South America;
            Greece = Europe; Sweden = Europe; Bolivia = South America; Nepal = Asia;
        """),
    ),
    Kind(
        name="language of a country",
        phrasings=(
            "Which language do people speak in {x}?",
            "What is the main language of {x}?",
            "I want to learn a few words before I travel to {x}. Which language do they speak in {x}?",
        ),
        items=table("""
            France = French; Germany = German; Spain = Spanish; Italy = Italian; Japan = Japanese;
            Russia = Russian; Mexico = Spanish; Brazil = Portuguese; Portugal = Portuguese; Greece = Greek;
            Poland = Polish; Turkey = Turkish; Sweden = Swedish; Hungary = Hungarian; Egypt = Arabic;
            Austria = German; Argentina = Spanish; Australia = English; Denmark = Danish; Finland = Finnish;
            Vietnam = Vietnamese; Iran = Persian | Farsi; Israel = Hebrew; Cuba = Spanish;
            Ukraine = Ukrainian; Norway = Norwegian; Czechia = Czech; Colombia = Spanish;
        """),
    ),
    Kind(
        name="colour",
        phrasings=(
            "What colour is {x}?",
            "Which colour does {x} usually have?",
            "What is the colour of {x}?",
        ),
        items=table("""
            grass = green; snow = white; blood = red; the sky on a clear day = blue; a lemon = yellow;
            coal = black; a ripe tomato = red; milk = white; a banana = yellow; chocolate = brown;
            a polar bear = white; a raven = black; a strawberry = red; a flamingo = pink;
            an elephant = grey | gray; a carrot = orange; a school bus in America = yellow; the sea = blue;
            a cucumber = green; the yolk of an egg = yellow; a fire engine = red; salt = white;
            a pumpkin = orange; an emerald = green; a ruby = red; the trunk of a tree = brown;
            a lime = green; a sapphire = blue;
        """),
    ),
    Kind(
        name="category",
        phrasings=(
            "Is {x} an animal, a plant or a tool?",
            "Animal, plant or tool: what is {x}?",
            "I am labelling pictures as animal, plant or tool. Which label fits {x}?",
        ),
        items=table("""
            a dog = animal; a hammer = tool; a rose = plant; a horse = animal; an oak = plant; a saw = tool;
            a whale = animal; a tulip = plant; a drill = tool; a spider = animal; a fern = plant;
            a screwdriver = tool; an eagle = animal; a cactus = plant; a shovel = tool; a salmon = animal;
            a pine = plant; a wrench = tool; a lizard = animal; a daisy = plant; an axe = tool;
            a bee = animal; ivy = plant; a pair of pliers = tool; a frog = animal; moss = plant;
            a chisel = tool; a hen = animal;
        """),
    ),
    Kind(
        name="opposite",
        phrasings=(
            "What is the opposite of {x}?",
            "Antonym of {x}?",
            'I am writing a poem and need the opposite of "{x}".',
        ),
        items=table("""
            hot = cold | cool; big = small | little; up = down; left = right; day = night; black = white;
            happy = sad | unhappy; fast = slow; young = old; rich = poor; open = closed | close | shut;
            hard = soft | easy; strong = weak; light = dark | heavy; full = empty; early = late; wet = dry;
            clean = dirty; loud = quiet | soft | silent; war = peace; love = hate | hatred; win = lose;
            before = after; buy = sell; remember = forget; brave = cowardly | timid | afraid | fearful;
            generous = stingy | selfish | mean | greedy; guilty = innocent | not guilty;
        """),
    ),
    Kind(
        name="plural",
        phrasings=(
            "What is the plural of {x}?",
            "One {x}, two what?",
            'Write the plural form of the word "{x}".',
            "English is not my first language. How do I write {x} when there is more than one?",
        ),
        items=table("""
            cat = cats; house = houses; box = boxes; baby = babies; city = cities; child = children;
            mouse = mice; foot = feet; tooth = teeth; man = men; woman = women; knife = knives;
            leaf = leaves; wolf = wolves; bus = buses; dish = dishes; potato = potatoes; hero = heroes;
            goose = geese; sheep = sheep; book = books; key = keys; story = stories; church = churches;
            ox = oxen; crisis = crises; cactus = cacti | cactuses; table = tables;
        """),
    ),
    Kind(
        name="past tense",
        phrasings=(
            "What is the past tense of {x}?",
            "Today I {x}, yesterday I what?",
            'Put the verb "{x}" in the simple past.',
        ),
        items=table("""
            walk = walked; play = played; go = went; eat = ate; see = saw; run = ran; take = took;
            write = wrote; sing = sang; buy = bought; think = thought; come = came; give = gave;
            find = found; swim = swam; drink = drank; speak = spoke; break = broke; teach = taught;
            sleep = slept; stop = stopped; study = studied; cut = cut; fly = flew; begin = began;
            choose = chose; freeze = froze; build = built;
        """),
    ),
    Kind(
        name="french",
        phrasings=(
            "How do you say {x} in French?",
            'Translate the word "{x}" into French.',
            "We are in Lyon and I need one word: what is the French for {x}?",
        ),
        items=table("""
            cat = chat; dog = chien; house = maison; water = eau; bread = pain; milk = lait; book = livre;
            red = rouge; green = vert; white = blanc; black = noir; one = un | une; two = deux;
            three = trois; thank you = merci; hello = bonjour | salut; yes = oui; no = non; sun = soleil;
            moon = lune; night = nuit; day = jour | journée; friend = ami | amie; cheese = fromage;
            school = école; apple = pomme; king = roi; tree = arbre;
        """),
    ),
    Kind(
        name="spanish",
        phrasings=(
            "How do you say {x} in Spanish?",
            'Translate the word "{x}" into Spanish.',
            "I am ordering in Madrid and need one word: what is the Spanish for {x}?",
        ),
        items=table("""
            cat = gato; dog = perro; house = casa; water = agua; bread = pan; milk = leche; book = libro;
            red = rojo | roja; green = verde; white = blanco | blanca; black = negro | negra;
            one = uno | una | un; two = dos; three = tres; thank you = gracias; hello = hola; yes = sí | si;
            no = no; sun = sol; moon = luna; night = noche; day = día | dia; friend = amigo | amiga;
            cheese = queso; school = escuela; apple = manzana; fish = pescado | pez; tree = árbol | arbol;
        """),
    ),
    Kind(
        name="which language",
        phrasings=(
            "Which language is this: {x}",
            "In which language is this written? {x}",
            "Somebody left me a note. Which language is it in? {x}",
        ),
        items=table("""
            Guten Morgen = German; Buenos días = Spanish; Je ne sais pas = French;
            Buongiorno a tutti = Italian; Good evening everybody = English; Ich habe Hunger = German;
            ¿Dónde está la estación? = Spanish; Merci beaucoup = French; Grazie mille = Italian;
            Thank you very much = English; Wie geht es dir heute? = German;
            Me gusta mucho la música = Spanish; Il fait beau aujourd'hui = French;
            Mi piace il gelato = Italian; The weather is lovely = English; Das ist mein Haus = German;
            Quiero un vaso de agua = Spanish; Nous allons à la plage = French; Dove abiti? = Italian;
            Where is my coat? = English; Wir fahren nach Berlin = German; Mañana vamos al cine = Spanish;
            C'est la vie = French; Non parlo inglese = Italian; Der Zug kommt zu spät = German;
            Hasta la vista = Spanish; Nice to meet you = English; Ce livre est à moi = French;
        """),
    ),
    Kind(
        name="sentiment",
        phrasings=(
            'Is this review positive or negative? "{x}"',
            'A customer wrote: "{x}" Is that positive or negative?',
            'Decide whether the comment is positive or negative.\nComment: "{x}"',
        ),
        items=table("""
            I loved every minute of it. = positive; The food was cold and the waiter was rude. = negative;
            Best holiday we ever had! = positive; It broke after two days. = negative;
            The room was clean and the staff were lovely. = positive; What a waste of money. = negative;
            I will certainly come back. = positive; I want a refund. = negative;
            A wonderful film with great actors. = positive; Boring from start to finish. = negative;
            The battery lasts for ever and the screen is superb. = positive;
            The shoes hurt my feet. = negative; My children adore this game. = positive;
            I would not recommend it to anyone. = negative;
            Delivery was quick and everything was perfect. = positive; The parcel never arrived. = negative;
            Not bad at all, I was pleasantly surprised. = positive;
            Nobody answered my calls for a week. = negative; This book changed my life. = positive;
            The soup tasted like dishwater. = negative; Excellent value for the price. = positive;
            The music was far too loud to talk. = negative; I could not be happier with it. = positive;
            I expected much more from this brand. = negative; Such a friendly and helpful team. = positive;
            The app crashes every time I open it. = negative;
            The view from the balcony took our breath away. = positive;
            We left before the dessert. = negative;
        """),
    ),
    Kind(
        name="reading",
        phrasings=(
            "{x}",
            "Read this and answer in one word. {x}",
            "Here is a note from my phone. {x}",
        ),
        items=table("""
            Anna has a red bike. Tom has a blue bike. What colour is Tom's bike? = blue;
            The Leeds train leaves at nine, the York train at ten. When does the train to York leave? = ten | at ten;
            Maria bought apples and Peter bought cherries. Who bought cherries? = Peter;
            The key is under the mat and the letter is on the table. Where is the key? = under the mat | mat;
            Our dog is called Rex and our cat is called Mimi. What is the cat called? = Mimi;
            Lisa lives in Rome. Her brother lives in Oslo. In which city does Lisa live? = Rome;
            The meeting moved from Monday to Thursday. On which day is the meeting now? = Thursday | on Thursday;
            Jack is taller than Bill, and Bill is taller than Sam. Who is the tallest? = Jack;
            The box holds six green balls and two white balls. How many white balls are there? = two | 2;
            Ben plays the drums and Clara plays the flute. Which instrument does Clara play? = flute;
            The soup costs four euros and the salad costs seven euros. How much is the salad? = seven euros | seven | 7;
            Grandma baked a cake on Saturday and bread on Sunday. What did she bake on Sunday? = bread;
            Omar speaks Arabic and Ingrid speaks Danish. Which language does Ingrid speak? = Danish;
            The blue house is Mrs Bell's and the yellow one Mr Cook's. Whose house is yellow? = Mr Cook | Mr Cook's;
            Paul forgot his umbrella, so he got wet. What did Paul forget? = umbrella | his umbrella;
            The museum is closed on Tuesdays. On which day is it closed? = Tuesday | Tuesdays | on Tuesdays;
            Nina ordered tea and Karl ordered coffee. What did Nina order? = tea;
            The film starts at eight and ends at ten. When does it end? = ten | at ten | 10;
            Our flight goes from Vienna to Lisbon. Where does it land? = Lisbon | in Lisbon;
            Emma is ten years old and her sister is six. How old is Emma? = ten | 10 | ten years old;
            The red team won and the green team lost. Which team lost? = green | the green team | green team;
            David put the milk in the fridge, the rice in the cupboard. Where is the rice? = cupboard | in the cupboard;
            Sofia studies law and her friend Jan studies music. What does Jan study? = music;
            The farmer has ten cows and three horses. How many horses does he have? = three | 3;
            My appointment with Dr Lee is in May, not in March. In which month is it? = May | in May;
            Kim likes winter and Leo likes summer. Who likes winter? = Kim;
            Rosa's car is in the garage because it broke down. Where is the car? = in the garage | garage;
            Hugo wrote to Eva, and Eva wrote back. Who wrote first? = Hugo;
        """),
    ),
    Kind(
        name="proverb",
        phrasings=(
            "Finish the saying: {x}",
            "Complete the proverb: {x}",
            "My grandfather had a saying and I forgot its last word: {x}",
        ),
        items=table("""
            Better late than = never; Practice makes = perfect; Time is = money;
            Honesty is the best = policy; All that glitters is not = gold;
            The early bird catches the = worm; Out of sight, out of = mind;
            Actions speak louder than = words; An apple a day keeps the doctor = away;
            Blood is thicker than = water; Curiosity killed the = cat; Every cloud has a silver = lining;
            Birds of a feather flock = together; Don't cry over spilt = milk; Easy come, easy = go;
            Rome was not built in a = day; Two wrongs don't make a = right;
            When in Rome, do as the Romans = do; Knowledge is = power;
            A picture is worth a thousand = words; Beggars can't be = choosers; Look before you = leap;
            The pen is mightier than the = sword; Don't judge a book by its = cover; No pain, no = gain;
            Where there is smoke, there is = fire; Two heads are better than = one; Haste makes = waste;
        """),
    ),
    Kind(
        name="first letter",
        phrasings=(
            "What is the first letter of the word {x}?",
            'Which letter does "{x}" start with?',
            "I am sorting cards into a box by their first letter. Under which letter goes {x}?",
        ),
        items=spelled(
            "apple banana cloud desert engine forest garden hammer island jacket kitchen lemon mountain needle "
            "orange pencil queen river silver tiger umbrella violin window yellow zebra market bridge candle",
            lambda word: (word[0],),
        ),
    ),
    Kind(
        name="backwards",
        phrasings=(
            "Spell the word {x} backwards.",
            "What is {x} written from back to front?",
            'For a secret code, reverse the letters of "{x}".',
        ),
        items=spelled(
            "cat dog sun pot net top bus pen war live star door moon book lamp tree stop time "
            "water house paper river stone plant garden window market planet",
            lambda word: (word[::-1], "-".join(word[::-1]), " ".join(word[::-1])),
        ),
    ),
)
