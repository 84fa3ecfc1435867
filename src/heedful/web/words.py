"""The sentences of the public pages, in the languages that they are spoken in here."""

from collections.abc import Mapping
from dataclasses import dataclass

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "ps", "yi", "dv", "ckb", "sd", "ug"})


@dataclass(frozen=True, slots=True)
class Words:
    """One language's sentences. A brand's own names follow after them, in whatever language."""

    lang: str
    look_title: str
    look_what: str
    look_for: str
    look_button: str
    look_nothing: str
    left_title: str
    left_what: str
    left_for: str
    left_soon: str
    all_emails: str
    all_marketing: str
    contact: str
    sorry_title: str
    sorry_link: str
    sorry_often: str
    sorry_closed: str
    sorry_way: str
    later_title: str

    @property
    def dir(self) -> str:
        return "rtl" if self.lang.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


EVERY: Mapping[str, Words] = {
    w.lang: w
    for w in (
        Words(
            lang="en",
            look_title="Stop these messages?",
            look_what="This stops:",
            look_for="At this address:",
            look_button="Stop them",
            look_nothing="Nothing has changed yet. To keep getting them, close this page.",
            left_title="It is stopped",
            left_what="You will no longer get:",
            left_for="At this address:",
            left_soon="A message that is already on its way may still arrive.",
            all_emails="all marketing e-mails",
            all_marketing="all marketing messages",
            contact="Questions:",
            sorry_title="This link does not work",
            sorry_link="A part of it is missing or was changed. Nothing was changed. "
            "Open it once more from the message itself.",
            sorry_often="Too many links that do not work were opened from here. "
            "Wait a minute, then open it from the message itself.",
            sorry_closed="Your wish could not be written down just now, so nothing was changed. "
            "Please try again.",
            sorry_way="Or write to us, and we will do it for you:",
            later_title="Please try again in a minute",
        ),
        Words(
            lang="es",
            look_title="¿Dejar de recibir estos mensajes?",
            look_what="Con esto dejará de recibir:",
            look_for="En esta dirección:",
            look_button="Dejar de recibirlos",
            look_nothing="Todavía no ha cambiado nada. Para seguir recibiéndolos, cierre esta "
            "página.",
            left_title="Hecho: ya no los recibirá",
            left_what="Ya no recibirá:",
            left_for="En esta dirección:",
            left_soon="Un mensaje que ya esté en camino todavía puede llegar.",
            all_emails="todos los correos de publicidad",
            all_marketing="todos los mensajes de publicidad",
            contact="Preguntas:",
            sorry_title="Este enlace no funciona",
            sorry_link="Le falta una parte o fue modificado. No ha cambiado nada. "
            "Ábralo otra vez desde el propio mensaje.",
            sorry_often="Desde aquí se han abierto demasiados enlaces que no funcionan. "
            "Espere un minuto y ábralo desde el propio mensaje.",
            sorry_closed="No se ha podido anotar su deseo en este momento, así que no ha cambiado "
            "nada. Inténtelo de nuevo en un minuto.",
            sorry_way="O escríbanos y lo haremos por usted:",
            later_title="Inténtelo de nuevo en un minuto",
        ),
        Words(
            lang="fr",
            look_title="Ne plus recevoir ces messages ?",
            look_what="Cela arrête :",
            look_for="À cette adresse :",
            look_button="Ne plus les recevoir",
            look_nothing="Rien n’a encore changé. Pour continuer à les recevoir, fermez cette "
            "page.",
            left_title="C’est arrêté",
            left_what="Vous ne recevrez plus :",
            left_for="À cette adresse :",
            left_soon="Un message déjà en route peut encore arriver.",
            all_emails="tous les e-mails publicitaires",
            all_marketing="tous les messages publicitaires",
            contact="Questions :",
            sorry_title="Ce lien ne fonctionne pas",
            sorry_link="Il en manque une partie, ou il a été modifié. Rien n’a changé. "
            "Ouvrez-le de nouveau depuis le message lui-même.",
            sorry_often="Trop de liens qui ne fonctionnent pas ont été ouverts d’ici. "
            "Attendez une minute, puis ouvrez-le depuis le message lui-même.",
            sorry_closed="Votre souhait n’a pas pu être noté pour le moment : rien n’a changé. "
            "Réessayez dans une minute.",
            sorry_way="Ou écrivez-nous, et nous le ferons pour vous :",
            later_title="Réessayez dans une minute",
        ),
    )
}


def words_for(accepted: str, languages: tuple[str, ...]) -> Words:
    """The best of the brand's languages that the reader asks for (`Accept-Language`), if the pages
    speak it; else the brand's first that they speak; else English."""
    spoken = [lang for lang in languages if lang in EVERY] or ["en"]
    for wish in _wishes(accepted):
        for lang in spoken:
            if wish == lang or wish.partition("-")[0] == lang.partition("-")[0]:
                return EVERY[lang]
    return EVERY[spoken[0]]


def _wishes(accepted: str) -> list[str]:
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:500].split(",")):
        lang, _, q = part.strip().partition(";")
        try:
            weight = float(q.strip().removeprefix("q=")) if q else 1.0
        except ValueError:
            weight = 0.0
        if lang and weight > 0:
            found.append((-weight, place, lang.strip().lower()))
    return [lang for _, _, lang in sorted(found)]
