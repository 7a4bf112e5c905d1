package detect

// All lists every detector, sorted by ID.
var All = []Detector{
	credentialRead,
	credentialSweep,
	guardTampering,
	historySecret,
	persistenceByInstallScript,
	privateFlagRemoved,
	publishByInstallScript,
	publishLoop,
	wormCommand,
}
