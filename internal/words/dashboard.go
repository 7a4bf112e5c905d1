package words

// dashboardTexts are the sentences of the dashboard.
var dashboardTexts = map[Key]text{}
