"""The labels, months and sexes that pages print: English, German, French, Spanish, Italian, Portuguese, Dutch.

Each is a regular expression for a whole label, compared without regard to case.
"""

import unicodedata

from domain.ecg import Sex

_NUMBER_OF = r"(?:n[°ºo]\.?|n\.|num[ée]ro|n[úu]mero|numero)"

PATIENT_ID = (
    r"patient[- ]?id|patient id no\.?|pat\.?[- ]?id|patienten-?(?:nr|id)\.?|medical record (?:no|number)\.?|mrn"
    r"|patienten-?nummer|pat\.?-?nr\.?"
    rf"|(?:id|identifiant|{_NUMBER_OF})(?: du)? patient|ipp"
    rf"|(?:id|{_NUMBER_OF})(?: del?)? paciente|(?:{_NUMBER_OF}(?: de)? )?historia cl[íi]nica|nhc"
    rf"|(?:id|codice|cod\.|{_NUMBER_OF})(?: del)? paziente"
    rf"|(?:id|{_NUMBER_OF}) do (?:paciente|utente)"
    r"|pati[ëe]nt-?(?:nummer|nr\.?)|pati[ëe]nt-?id"
)
NAME = r"name|patient(?: name)?|nom(?: du patient)?|paciente|paziente|nome paziente|naam|pati[ëe]nt"
FAMILY = r"last name|surname|family name|nachname|familienname|nom de famille|apellidos?|cognome|apelido|achternaam"
GIVEN = r"first name|given name|vorname|pr[ée]nom|voornaam"
GIVEN_OR_WHOLE = r"nombre|nome"  # what is left of a name beside a family name's label, else all of it
BORN_ENGLISH = r"dob|d\.o\.b\.|date of birth|birth ?date|born"
BORN = (
    r"geb\.?-?\s?datum|geburtsdatum|geboren(?: am)?|date de naissance|n[ée]e? le|n[ée]\(e\) le"
    r"|fecha de nacimiento|f\. ?nac\.?|data di nascita|nat[oa] il|data de nascimento|geboortedatum"
)
SEX = r"sex|gender|geschlecht|sexe|sesso|geslacht"
SEX_H_M = r"sexo"  # hombre and mujer, or masculino and feminino: M alone may be either
WHEN_ENGLISH = r"date(?:/time)?|(?:acquired|recorded)(?: on| at)?|(?:acquisition|recording|ecg)(?: date)?(?:/time)?"
WHEN = (
    r"aufnahme(?:datum)?|aufgenommen(?: am)?|date(?: et heure|/heure)|date (?:d['’]acquisition|de l['’]examen)"
    r"|enregistr[ée] le|fecha(?: y hora|/hora)?|fecha de (?:adquisici[óo]n|registro)|data(?: e ora|/ora| e hora|/hora)?"
    r"|data (?:di )?acquisizione|data (?:dell['’])?esame|opname(?:datum|tijd)?"
)
CLOCK = r"(?:(?:time|heure|hora|ora|uhrzeit|zeit|tijd)\s*:\s*)?"
SAID = (
    r"interpretation|statements?|diagnosis|conclusions?|befund|beurteilung|interpr[ée]tation|interpretaci[óo]n"
    r"|conclusi[óo]n|diagn[óo]stico|interpretazione|conclusioni|diagnosi|conclusie|beoordeling"
)
RATE = (
    r"(?:vent(?:ricular|\.)? |heart )?rate|hr|hf|herzfrequenz|fc"
    r"|fr[ée]q(?:uence|\.)? (?:cardiaque|card\.|vent(?:riculaire|\.))"
    r"|frec(?:uencia|\.)? (?:card[íi]aca|vent(?:ricular|\.))|freq(?:uenza|\.)? (?:cardiaca|vent(?:ricolare|\.))"
    r"|freq(?:u[êe]ncia|\.)? card[íi]aca|hartfrequentie"
)
PER_MINUTE = r"(?:bpm|lpm|/\s*min|(?:bat|batt|slagen)\.?\s*/\s*min)"
SPAN = r"(?:interval|intervall|int\.?|duration|dur\.?|dauer|duur)"
OF = r"(?:intervalle|intervalo|intervallo|dur[ée]e|duraci[óo]n|durata|duraç[ãa]o)(?: du| del| do)? "
AXIS_OF = r"(?:axe|eje|asse|eixo)(?: de| du| del| do)? "
AXES = r"(?:axes|ejes|assi|eixos)"

SEXES = {
    **dict.fromkeys(
        ("m", "male", "männlich", "mann", "homme", "masculin", "hombre", "masculino", "varón", "maschio", "maschile"),
        Sex.MALE,
    ),
    **dict.fromkeys(("uomo", "man", "mannelijk"), Sex.MALE),
    **dict.fromkeys(("f", "female", "w", "weiblich", "frau", "femme", "féminin", "mujer", "femenino"), Sex.FEMALE),
    **dict.fromkeys(("femmina", "femminile", "donna", "feminino", "vrouw", "vrouwelijk"), Sex.FEMALE),
}

_MONTHS = (
    ("jan", "ene", "gen"),
    ("feb", "fev"),
    ("mar", "mrt", "maa"),
    ("apr", "avr", "abr"),
    ("may", "mai", "mag", "mei"),
    ("jun", "juin", "giu"),
    ("jul", "juil", "lug"),
    ("aug", "aou", "ago"),
    ("sep", "set"),
    ("oct", "okt", "ott", "out"),
    ("nov",),
    ("dec", "dez", "dic"),
)


def month(name: str) -> int:
    """Return the month a name begins like, in any of the languages. Raises ``ValueError`` for another word."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    numbers = {number for number, starts in enumerate(_MONTHS, 1) for start in starts if plain.startswith(start)}
    if len(numbers) != 1:
        raise ValueError("not a month")
    return numbers.pop()
