package words

// noticeTexts are the sentences of the notice.
var noticeTexts = map[Key]text{}
