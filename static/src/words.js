/**
 * The dialog's words: title, sentence, stay, log out, locked. Escaped, for pages in another encoding.
 * @type {Record<string, string>}
 */
export const WORDS = {
  en: "Are you still there?|You will be logged out in {}.|Stay|Log out now|Page locked",
  de: "Sind Sie noch da?|Sie werden in {} abgemeldet.|Bleiben|Jetzt abmelden|Seite gesperrt",
  fr: "\u00cates-vous toujours l\u00e0 ?|D\u00e9connexion dans {}.|Rester|Se d\u00e9connecter|Page verrouill\u00e9e",
  es: "\u00bfSigue ah\u00ed?|La sesi\u00f3n se cerrar\u00e1 en {}.|Seguir|Cerrar sesi\u00f3n|P\u00e1gina bloqueada",
};
