package words

// trayTexts are the sentences of the tray.
var trayTexts = map[Key]text{}
